// At least 200,000 values for the event reader in each run of the tests; a file of its own, since it takes longest.
import { testTargets } from "./fuzz_tests.ts";

testTargets((name) => name === "event");
