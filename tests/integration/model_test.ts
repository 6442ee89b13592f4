// Goal: every number of every report is right after every step, whatever has happened before. Random histories on a real PostgreSQL are held
// against an oracle that keeps every event (tests/model). MODEL_HISTORIES and MODEL_FROM override how many and from where.
import { assert, assertEquals, assertGreater } from "@std/assert";
import { planOf } from "../model/plan.ts";
import { run } from "../model/run.ts";

const COUNT = Number(Deno.env.get("MODEL_HISTORIES") ?? 30);
const FROM = Number(Deno.env.get("MODEL_FROM") ?? 1);

Deno.test(`reports equal the oracle after every step of ${COUNT} histories, or say what it allows them to`, async () => {
  const { failed, asked, known, counts } = await run({
    from: FROM,
    count: COUNT,
    perStep: 2,
    atEnd: 1,
    failuresMax: 1,
  });
  assertEquals(
    failed.map(({ seed, violations }) =>
      [`deno task model --from ${seed} --histories 1 --show`, ...violations].join("\n")
    ),
    [],
  );
  assertGreater(known / asked, 0.9, "reports may not hide behind unknown");
  // A model in which nothing happens finds nothing.
  for (
    const kind of ["commit", "close", "roll_up", "maintain", "together", "idle", "raise", "kill", "crash", "reply"]
  ) {
    assert((counts[kind] ?? 0) > 0, `no ${kind} in ${COUNT} histories`);
  }
});

Deno.test("histories that found a fault of the product stay right", async () => {
  // A gap beside a day that is cut, an ETag that outlived what it said, a compared day that ends in the half-retired hour.
  for (const from of [10054, 10554, 10677]) {
    const { failed } = await run({ from, count: 1, perStep: 1, atEnd: 1, failuresMax: 1 });
    assertEquals(failed, []);
  }
});

Deno.test("planOf() is decided by its seed alone", () => {
  for (const seed of [1, 2, 3]) assertEquals(planOf(seed), planOf(seed));
});
