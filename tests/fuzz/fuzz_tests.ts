// Registers the tests of some targets: fresh cases from a new seed each run, so that runs add up, and every case that was ever kept.
import { assert, assertEquals } from "@std/assert";
import { corpusLine, readCorpus } from "./corpus.ts";
import { fuzz, judgeCase, missingShares } from "./run.ts";
import { TARGETS } from "./targets.ts";

/** Tests of the targets that `wanted` picks. */
export function testTargets(wanted: (name: string) => boolean): void {
  for (const target of TARGETS.filter(({ name }) => wanted(name))) {
    // In the name, so that it is printed also where a run does not end.
    const seed = crypto.getRandomValues(new Int32Array(1))[0]!;
    Deno.test(`fuzz ${target.name} from seed ${seed}: ${target.holds}`, async () => {
      const report = await fuzz(target, { seed, cases: target.testCases });
      const { failure } = report;
      assert(
        failure === null,
        failure === null
          ? ""
          : `${failure.fault}\nagain: deno task fuzz ${target.name} --seed ${failure.sliceSeed} --cases ${
            failure.n + 1
          }\n` +
            corpusLine({ why: "?", ...failure.found, expect: failure.outcome }),
      );
      assertEquals(missingShares(target, report), [], `seed ${seed}`);
    });

    Deno.test(`fuzz ${target.name}: the corpus`, async () => {
      const judge = await target.open();
      try {
        for (const kept of await readCorpus(target.name)) {
          judge.restart?.();
          const { outcome, fault } = await judgeCase(judge, kept, target);
          assertEquals(
            { outcome, fault },
            { outcome: kept.expect, fault: undefined },
            `${kept.why}\n${corpusLine(kept)}`,
          );
        }
      } finally {
        await judge.close?.();
      }
    });
  }
}
