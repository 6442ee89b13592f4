// The program with its country database: `deno task run` and `deno compile` start this file. The rest is in cli/.
import { runProgram } from "./cli/program.ts";
import { readBundled } from "./geo/install/bundled_npm.ts";

if (import.meta.main) await runProgram(readBundled);
