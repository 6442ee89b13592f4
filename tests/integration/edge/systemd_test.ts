// The units of deploy/systemd, judged by systemd's own checks.
import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));
const UNITS = ["tidemark.service", "tidemark-watchdog.service", "tidemark-watchdog.timer"];

Deno.test("systemd takes the units where docs/install.md puts them, and calls both well closed", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-units-" });
  try {
    for (const unit of UNITS) {
      // A program at the place that the unit names would have to be installed on this machine.
      const text = (await read(`deploy/systemd/${unit}`)).replaceAll("/usr/local/bin/tidemark", "/bin/true");
      await Deno.writeTextFile(`${folder}/${unit}`, text);
    }
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command("systemd-analyze", { args, cwd: folder }).output();
      return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
    };
    const ours = (text: string) => text.split("\n").filter((line) => line.includes("tidemark"));
    const verified = await run("verify", ...UNITS.map((unit) => `${folder}/${unit}`));
    assertEquals([verified.code, ours(verified.text)], [0, []]);
    for (const [unit, most] of [["tidemark.service", 2], ["tidemark-watchdog.service", 3]] as const) {
      const { text } = await run("security", "--offline=true", "--no-pager", `${folder}/${unit}`);
      const level = Number(/exposure level for \S+: ([\d.]+)/.exec(text)?.[1]);
      assert(level <= most, `${unit}: exposure ${level}, at most ${most}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
