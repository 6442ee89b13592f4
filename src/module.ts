// The program as a module of a registry, which takes no imports of bytes: without the country database, `tidemark geo install` gets one.
import { runProgram } from "./cli/program.ts";

if (import.meta.main) await runProgram();
