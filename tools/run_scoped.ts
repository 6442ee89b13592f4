// `deno task run:scoped [--env-file FILE] [--net HOST:PORT]… [-- COMMAND…]`: the program from source with the scoped binary's permissions.
import { parseArgs } from "node:util";
import { MAIN, REPOSITORY, scopeFlags, V8_FLAGS } from "./scope.ts";

const { values, positionals } = parseArgs({
  options: {
    "env-file": { type: "string", default: `${REPOSITORY}/stream.env` },
    net: { type: "string", multiple: true, default: [] },
  },
  allowPositionals: true,
});
const flags = scopeFlags({ envFile: values["env-file"], generic: false, net: values.net, fromSource: true });
const [command = "run", ...words] = positionals;
const child = new Deno.Command(Deno.execPath(), {
  args: ["run", V8_FLAGS, ...flags, MAIN, command, "--env-file", values["env-file"], ...words],
}).spawn();
// A stop of this process is meant for the program.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => signal === "SIGTERM" && child.kill(signal));
}
Deno.exit((await child.status).code);
