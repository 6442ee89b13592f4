// The program with its country database: what `deno task run` and `deno compile` start. Everything else is in cli/.
import { runProgram } from "./cli/program.ts";
import { readBundled } from "./geo/install/bundled_npm.ts";

if (import.meta.main) await runProgram(readBundled);
