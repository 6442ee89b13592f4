import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { Assignment, type Ticket } from "../../src/source/assignment.ts";
import { type Offset, offset, type PartitionId, partitionId } from "../../src/shared/units.ts";

const p0 = partitionId(0), p1 = partitionId(1);
const at = (entries: readonly (readonly [PartitionId, number])[]) =>
  new Map(entries.map(([p, o]) => [p, offset(o)] as const));

function flowing(position = 10): { assignment: Assignment; ticket: Ticket } {
  const assignment = new Assignment();
  const generation = assignment.assign([p0, p1]);
  assignment.resume(generation, at([[p0, position]]));
  return { assignment, ticket: assignment.ticket(p0)! };
}

Deno.test("assign() pauses everything until resume() of the same generation", () => {
  const assignment = new Assignment();
  assertEquals([assignment.member, assignment.ticket(p0)], [false, null]);
  const generation = assignment.assign([p0, p1]);
  assertEquals([assignment.member, assignment.ticket(p0), assignment.partitions], [true, null, [p0, p1]]);
  assertEquals([...assignment.resume(generation, at([[p0, 10]]))], [[p0, offset(10)]]);
  assertEquals([assignment.ticket(p0) !== null, assignment.ticket(p1)], [true, null]);
});

Deno.test("resume() ignores a stale generation and partitions that are not ours", () => {
  const assignment = new Assignment();
  const old = assignment.assign([p0]);
  const current = assignment.assign([p0]);
  assertEquals(assignment.resume(old, at([[p0, 1]])).size, 0);
  assertEquals(assignment.ticket(p0), null);
  assertEquals([...assignment.resume(current, at([[p1, 1], [p0, 2]])).keys()], [p0]);
});

Deno.test("accept() follows the chain of positions", () => {
  const { assignment, ticket } = flowing(10);
  assertEquals(assignment.accept(p0, ticket, offset(10), offset(15)), { kind: "accepted" });
  assertEquals(assignment.accept(p0, ticket, offset(10), offset(15)), { kind: "misplaced", position: offset(15) });
  assertEquals(assignment.accept(p0, ticket, offset(20), offset(25)), { kind: "misplaced", position: offset(15) });
  assertEquals(assignment.accept(p0, ticket, offset(15), offset(15)), { kind: "accepted" });
  assertEquals(assignment.accept(p0, ticket, offset(15), offset(16)), { kind: "accepted" });
});

Deno.test("accept() drops what was asked for while paused or before the last resume, even where offsets fit", () => {
  const { assignment, ticket } = flowing(10);
  assertEquals(assignment.accept(p0, null, offset(10), offset(11)).kind, "stale");
  assertEquals(assignment.accept(p1, ticket, offset(10), offset(11)).kind, "stale");
  assignment.resume(assignment.generation, at([[p0, 10]]));
  assertEquals(assignment.accept(p0, ticket, offset(10), offset(11)).kind, "stale");
  assert(!assignment.deliverable(p0, ticket));
  assertNotEquals(assignment.ticket(p0), ticket);
});

Deno.test("lose() ends the generation once and drops what is held", () => {
  const { assignment, ticket } = flowing();
  const generation = assignment.generation;
  assertEquals(assignment.lose(), generation);
  assertEquals(assignment.lose(), null);
  assertEquals([assignment.member, assignment.deliverable(p0, ticket), assignment.partitions], [false, false, []]);
  assertEquals(assignment.resume(generation, at([[p0, 1]])).size, 0);
  assert(assignment.assign([p0]) > generation);
});

Deno.test("halt() is for good", () => {
  const { assignment, ticket } = flowing();
  assignment.halt();
  assert(!assignment.deliverable(p0, ticket));
  const generation = assignment.assign([p0]);
  assertEquals(assignment.resume(generation, at([[p0, 1]])).size, 0);
  assertEquals(assignment.ticket(p0), null);
});

/**
 * Goal: between two resumes a partition's accepted ranges form one chain from the resumed position, whatever order tickets, losses and
 * answers come in. Method: random histories against an oracle that keeps only the position chain.
 */
Deno.test("accept() admits exactly one chain a resume, in every history", () => {
  type Step =
    | { kind: "assign" | "lose" | "ask" }
    | { kind: "resume"; position: number }
    | { kind: "answer"; which: number; from: number; length: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.constant<Step>({ kind: "assign" }),
    fc.constant<Step>({ kind: "lose" }),
    { arbitrary: fc.constant<Step>({ kind: "ask" }), weight: 4 },
    { arbitrary: fc.record({ kind: fc.constant("resume" as const), position: fc.nat(5) }), weight: 2 },
    {
      arbitrary: fc.record({
        kind: fc.constant("answer" as const),
        which: fc.nat(10),
        from: fc.nat(8),
        length: fc.nat(3),
      }),
      weight: 6,
    },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const assignment = new Assignment();
    const asked: { ticket: Ticket | null; stretch: number }[] = [];
    let stretch = 0, expected: Offset | null = null;
    for (const action of steps) {
      switch (action.kind) {
        case "assign":
          assignment.assign([p0]);
          stretch++, expected = null;
          break;
        case "lose":
          assignment.lose();
          stretch++, expected = null;
          break;
        case "resume":
          if (assignment.resume(assignment.generation, at([[p0, action.position]])).size > 0) {
            stretch++, expected = offset(action.position);
          }
          break;
        case "ask":
          asked.push({ ticket: assignment.ticket(p0), stretch });
          break;
        case "answer": {
          const request = asked[action.which % Math.max(1, asked.length)];
          if (request === undefined) break;
          const from = offset(action.from), next = offset(action.from + action.length);
          const { kind } = assignment.accept(p0, request.ticket, from, next);
          const current = request.stretch === stretch && expected !== null;
          assertEquals(kind, !current ? "stale" : from === expected ? "accepted" : "misplaced");
          if (kind === "accepted") expected = next;
        }
      }
    }
  }));
});
