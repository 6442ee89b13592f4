import { assert, assertEquals, assertThrows } from "@std/assert";
import { offset } from "../../../src/shared/units.ts";
import {
  GENERATION_BYTES_MAX,
  GENERATIONS_MAX,
  packPosition,
  unpackPosition,
} from "../../../src/source/file/position.ts";

Deno.test("packPosition() stays exact at its limits and refuses to go beyond", () => {
  const last = { generation: GENERATIONS_MAX, byte: GENERATION_BYTES_MAX - 1 };
  assert(Number.isSafeInteger(packPosition(last)));
  assertEquals(unpackPosition(packPosition(last)), last);
  assertThrows(() => packPosition({ generation: GENERATIONS_MAX + 1, byte: 0 }));
  assertThrows(() => packPosition({ generation: 0, byte: 0 }));
  assertThrows(() => packPosition({ generation: 1, byte: GENERATION_BYTES_MAX }));
});

Deno.test("unpackPosition() takes a plain 0 as the log's start", () => {
  assertEquals(unpackPosition(offset(0)), { generation: 1, byte: 0 });
});
