import { assertEquals } from "@std/assert";
import { NamedError } from "../../src/shared/errors.ts";
import { namedRefusal, refusalOf, sqlstateOf } from "../../src/shared/refusal.ts";
import { StepBoard, UPKEEP_STEPS } from "../../src/shared/steps.ts";
import { epochMs } from "../../src/shared/units.ts";

const refused = (code: string, message = "x") => Object.assign(new Error(message), { code });

Deno.test("StepBoard keeps since when a step is in its state, the last error and the last success", () => {
  let now = epochMs(1_000);
  const board = new StepBoard(UPKEEP_STEPS, { now: () => now });
  const step = (): unknown[] => {
    const { state, since, problem, lastSuccessAt } = board.states().roll_up;
    return [state, since, problem?.code, problem?.sqlstate, lastSuccessAt];
  };
  assertEquals(step(), ["ok", 1_000, undefined, undefined, null]);
  now = epochMs(2_000);
  board.succeeded("roll_up");
  assertEquals(step(), ["ok", 1_000, undefined, undefined, 2_000]);
  now = epochMs(3_000);
  board.failed("roll_up", refused("53100"));
  now = epochMs(4_000);
  board.failed("roll_up", refused("23502"));
  assertEquals(step(), ["failing", 3_000, "table_changed", "23502", 2_000]);
  board.waits("roll_up", { code: "retention_waits", message: "m", action: "a" });
  assertEquals(step(), ["waiting", 4_000, "retention_waits", null, 2_000]);
  now = epochMs(5_000);
  board.succeeded("roll_up");
  assertEquals(step(), ["ok", 5_000, undefined, undefined, 5_000]);
  assertEquals(board.states().retention.lastSuccessAt, null, "steps do not touch each other");
});

Deno.test("refusalOf() names every SQLSTATE by what an operator does about it", () => {
  const names = [
    ["53100", "database_full"],
    ["54000", "database_full"],
    ["25006", "database_read_only"],
    ["23502", "table_changed"],
    ["428C9", "table_changed"],
    ["2BP01", "table_changed"],
    ["42501", "postgres_rights"],
    ["42P01", "schema_missing"],
    ["55000", "database_state"],
    ["55P03", "database_locked"],
    ["40P01", "database_locked"],
    ["57014", "database_locked"],
    ["TM004", "sums_differ"],
    ["XX001", "database_refused"],
  ] as const;
  for (const [state, code] of names) {
    const refusal = refusalOf(refused(state, "no"));
    assertEquals([refusal.code, refusal.sqlstate], [code, state]);
    assertEquals(refusal.message.includes(state) && refusal.message.endsWith(": no"), true);
    const named = namedRefusal(refused(state));
    assertEquals(named instanceof NamedError && named.code, code);
  }
});

Deno.test("sqlstateOf() looks at causes, and takes no code of a socket or file for one", () => {
  assertEquals(sqlstateOf(new Error("x", { cause: refused("23505") })), "23505");
  for (const code of ["EPIPE", "EPERM", "EBUSY", "ECONNRESET", "CONNECTION_CLOSED", ""]) {
    assertEquals(sqlstateOf(refused(code)), null);
  }
  const bug = new Error("bug");
  assertEquals([namedRefusal(bug), refusalOf(bug).code, refusalOf("text").message], [bug, "unexpected", "text"]);
  const named = new NamedError("no_topic", "m", 2, "a", { cause: refused("42501") });
  assertEquals([namedRefusal(named), refusalOf(named).code, refusalOf(named).sqlstate], [named, "no_topic", "42501"]);
});
