// The program as a module of a registry. Registries do not allow imports of bytes, so it has no country database; `tidemark geo install`
// downloads one.
import { runProgram } from "./cli/program.ts";

if (import.meta.main) await runProgram();
