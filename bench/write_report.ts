// Measures everything again and writes the tables into docs/performance.md: `deno task bench report [peers] [growth] [close] [latency] [live]`.
// Each block between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` is replaced by what its commands print. Without names: all of them,
// which takes about 40 minutes; best on a machine that does nothing else.
import { write } from "./support.ts";

const DOCUMENT = new URL("../docs/performance.md", import.meta.url);
const REPOSITORY = new URL("../", import.meta.url);
const deno = (...args: string[]) => [Deno.execPath(), "run", "-A", "--quiet", ...args];

const BLOCKS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  peers: [["bash", "bench/peers/run.sh"]],
  growth: [deno("bench/growth.ts")],
  close: [
    deno("bench/close_window.ts", "--chunks", "1", "--keys", "100000"),
    deno("bench/close_window.ts", "--chunks", "300", "--keys", "20000"),
    deno("bench/close_window.ts", "--chunks", "300", "--keys", "20000", "--compact", "16"),
  ],
  latency: [deno("bench/latency.ts")],
  live: [["bash", "bench/live.sh"]],
};

const names = Deno.args.length > 0 ? Deno.args : Object.keys(BLOCKS);
const unknown = names.filter((name) => !Object.hasOwn(BLOCKS, name));
if (unknown.length > 0) {
  write(`no such block: ${unknown.join(", ")}; there are ${Object.keys(BLOCKS).join(", ")}`);
  Deno.exit(2);
}
for (const name of names) {
  const outputs: string[] = [];
  for (const [command, ...args] of BLOCKS[name]!) {
    const { success, stdout } = await new Deno.Command(command!, { args, cwd: REPOSITORY, stderr: "inherit" }).output();
    const text = new TextDecoder().decode(stdout);
    write(text);
    if (!success) {
      write(`${command} ${args.join(" ")} failed: the ${name} block stays as it was`);
      Deno.exit(1);
    }
    outputs.push(text.trim());
  }
  const machine = `Measured ${new Date().toISOString().slice(0, 10)}, load ${
    Deno.loadavg()[0]!.toFixed(1)
  } at the end.`;
  const lines = outputs.join("\n").split("\n");
  // Tables are Markdown already; everything else is shown as printed.
  const table = lines.filter((line) => line.startsWith("|")),
    rest = lines.filter((line) => !line.startsWith("|") && line !== "");
  const body = [
    ...(table.length > 0 ? [table.join("\n")] : []),
    ...(rest.length > 0 ? ["```text\n" + rest.join("\n") + "\n```"] : []),
    machine,
  ].join("\n\n");
  await replaceBlock(name, body);
}

async function replaceBlock(name: string, body: string): Promise<void> {
  const document = await Deno.readTextFile(DOCUMENT);
  const open = `<!-- bench:${name} -->`, close = `<!-- /bench:${name} -->`;
  const from = document.indexOf(open), to = document.indexOf(close);
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no block ${open} … ${close}`);
  await Deno.writeTextFile(DOCUMENT, `${document.slice(0, from + open.length)}\n\n${body}\n\n${document.slice(to)}`);
}
