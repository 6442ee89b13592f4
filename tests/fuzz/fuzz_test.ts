// All targets but those that have files of their own: some cases each from a new seed, and the corpus.
import { testTargets } from "./fuzz_tests.ts";

testTargets((name) => !["event", "http"].includes(name));
