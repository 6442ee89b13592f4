// The completion scripts, run by bash, zsh and fish.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { dispatch } from "../../../src/cli/dispatch.ts";
import { fakeHost } from "../../cli/fake_host.ts";

async function script(shell: string): Promise<string> {
  const host = fakeHost();
  assertEquals(await dispatch(["completions", shell], host), 0);
  return (await host.written()).out;
}

async function run(shell: string, args: readonly string[], text: string): Promise<string[]> {
  const child = new Deno.Command(shell, { args: [...args], stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""], shell);
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

/** Words typed so far, the last one to be completed; what must be offered, and what must not. */
const CASES: readonly (readonly [words: readonly string[], offered: readonly string[], not: readonly string[]])[] = [
  [["re"], ["report", "resume", "replay"], ["run"]],
  [[""], Object.keys(COMMANDS), []],
  [["run", "--kafka-u"], ["--kafka-url"], ["--kafka-topic"]],
  [["run", "--source", ""], ["kafka", "file", "demo"], ["--source"]],
  [["report", ""], ["contributions", "timeseries", "top", "forecast"], []],
  [["report", "top", "--format", "c"], ["csv"], ["json"]],
  [["run", "--kafka-topic", ""], [], ["--once", "kafka"]],
  [["health", "--re"], ["--ready"], ["--http-port"]],
  [["completions", "f"], ["fish"], ["bash"]],
];

function check(offered: readonly string[], [words, wanted, not]: typeof CASES[number]) {
  for (const word of wanted) assert(offered.includes(word), `${words.join(" ")}: ${word} in ${offered.join()}`);
  for (const word of not) assert(!offered.includes(word), `${words.join(" ")}: ${word} not in ${offered.join()}`);
}

Deno.test("completions bash: bash offers commands, words, flags and values", async () => {
  const text = await script("bash");
  for (const one of CASES) {
    const words = ["tidemark", ...one[0]].map((word) => `'${word}'`).join(" ");
    const ask = `COMP_WORDS=(${words}); COMP_CWORD=${one[0].length}; _tidemark; printf '%s\\n' "\${COMPREPLY[@]}"`;
    check(await run("bash", ["--norc"], `${text}\n${ask}\n`), one);
  }
});

Deno.test("completions zsh: zsh offers the same", async () => {
  const text = await script("zsh");
  // The completion system needs a terminal: its functions are replaced by ones that print what they would offer.
  const stubs = `compdef() { : }; _files() { : }
      compadd() { shift; local word; for word in "$@"; do [[ $word != \${words[CURRENT]}* ]] || print -r -- $word; done }
      _describe() { [[ $1 != -o ]] || shift; local word; for word in "\${(@P)2}"; do word=\${word%%:*}
        [[ $word != \${words[CURRENT]}* ]] || print -r -- $word; done }`;
  for (const one of CASES) {
    const words = ["tidemark", ...one[0]].map((word) => `'${word}'`).join(" ");
    check(
      await run(
        "zsh",
        ["-f"],
        `${stubs}\n${text}\nwords=(${words}); CURRENT=${one[0].length + 1}; _tidemark\ntrue\n`,
      ),
      one,
    );
  }
});

Deno.test("completions fish: fish offers the same", async () => {
  const text = await script("fish");
  for (const one of CASES) {
    const line = ["tidemark", ...one[0]].join(" ");
    const offered = await run("fish", ["--no-config"], `${text}\ncomplete -C '${line}'\n`);
    check(offered.map((word) => word.split("\t")[0]!), one);
  }
});

Deno.test("completions refuses what is not a shell", async () => {
  const host = fakeHost();
  assertEquals(await dispatch(["completions", "tcsh"], host), 2);
  assertStringIncludes((await host.written()).err, "bash, zsh, fish");
});
