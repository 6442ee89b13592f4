// `deno task compile [--generic] [--env-file FILE] [--net HOST:PORT]… [--target TRIPLE] [--output FILE]`: one binary that carries its
// permissions, the SQL of ddl/, the pages and the country database. Runs `deno compile`, which fetches Deno's runtime the first time.
import { parseArgs } from "node:util";
import { EXIT } from "../src/shared/errors.ts";
import { MAIN, REPOSITORY, scopeFlags, V8_FLAGS } from "./scope.ts";

/** What is read or started by path at run time: embedded files need no permission. */
const INCLUDED = ["ddl", "src/store/embedded/worker.ts", "src/app/engine_worker.ts"];

const { values } = parseArgs({
  options: {
    generic: { type: "boolean", default: false },
    "env-file": { type: "string", default: `${REPOSITORY}/stream.env` },
    net: { type: "string", multiple: true, default: [] },
    target: { type: "string" },
    output: { type: "string", default: `${REPOSITORY}/dist/tidemark` },
    "print-flags": { type: "boolean", default: false },
  },
});
const flags = [
  V8_FLAGS,
  ...scopeFlags({ envFile: values["env-file"], generic: values.generic, net: values.net, fromSource: false }),
];
const say = (line: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
if (values["print-flags"]) {
  say(flags.join("\n"));
  Deno.exit(EXIT.ok);
}
const { success, stderr } = await new Deno.Command(Deno.execPath(), {
  args: [
    "compile",
    "--quiet",
    "--frozen",
    "--exclude-unused-npm",
    ...flags,
    ...INCLUDED.flatMap((path) => ["--include", path]),
    ...(values.target === undefined ? [] : ["--target", values.target]),
    "--output",
    values.output,
    MAIN,
  ],
  cwd: REPOSITORY,
  stderr: "piped",
}).output();
if (success) {
  say(
    `${values.output}: ${
      values.generic ? "any host, any file to read" : `the hosts and files of ${values["env-file"]}`
    }`,
  );
  Deno.exit(EXIT.ok);
}
const text = new TextDecoder().decode(stderr).trim();
if (/denort|dl\.deno\.land/.test(text)) {
  say(
    "deno compile: Deno's runtime (denort) cannot be fetched from here; allow dl.deno.land once, or set DENORT_BIN to a copy.",
  );
  Deno.exit(EXIT.unavailable);
}
say(text);
Deno.exit(EXIT.internal);
