import { assertEquals, assertThrows } from "@std/assert";
import {
  BugError,
  EXIT,
  invariant,
  messageOf,
  NamedError,
  StreamStopped,
  Unavailable,
  UsageError,
} from "../../src/shared/errors.ts";

Deno.test("every named error carries its exit code, its action and its cause", () => {
  const cause = new Error("socket");
  const usage = new UsageError(["one", "two"]);
  assertEquals([usage.exitCode, usage.message, usage.code], [EXIT.usage, "one\ntwo", "bad_settings"]);
  const stopped = new StreamStopped("data_gap", "Gap", "Resume.", { cause });
  assertEquals([stopped.exitCode, stopped.code, stopped.action, stopped.cause], [
    EXIT.stopped,
    "data_gap",
    "Resume.",
    cause,
  ]);
  const absent = new Unavailable("no_broker", "No broker", "Start it.", { cause });
  assertEquals([absent.exitCode, absent.name, absent.cause], [EXIT.unavailable, "Unavailable", cause]);
  for (const error of [usage, stopped, absent]) assertEquals(error instanceof NamedError, true);
});

Deno.test("exit codes are distinct", () => {
  assertEquals(new Set(Object.values(EXIT)).size, Object.keys(EXIT).length);
});

Deno.test("invariant() throws a BugError when its condition does not hold", () => {
  invariant(true, "holds");
  assertThrows(() => invariant(false, "does not hold"), BugError, "does not hold");
});

Deno.test("messageOf() reads anything thrown", () => {
  assertEquals([messageOf(new Error("a")), messageOf("b"), messageOf(undefined)], ["a", "b", "undefined"]);
});
