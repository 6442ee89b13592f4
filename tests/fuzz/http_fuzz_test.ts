// The HTTP target: a file of its own, since it starts a database.
import { testTargets } from "./fuzz_tests.ts";

testTargets((name) => name === "http");
