import { assertEquals } from "@std/assert";
import { editDistance, nearest, suggestion } from "../../../src/shared/config/suggest.ts";

Deno.test("editDistance() counts insertions, deletions, substitutions and swaps", () => {
  const cases = [["", "", 0], ["a", "", 1], ["abc", "abc", 0], ["abc", "abd", 1], ["abc", "acb", 1], [
    "kitten",
    "sitting",
    3,
  ]] as const;
  for (const [a, b, edits] of cases) {
    assertEquals(editDistance(a, b), edits, `${a} ${b}`);
    assertEquals(editDistance(b, a), edits, `${b} ${a}`);
  }
});

Deno.test("nearest() finds the closest name within the limit, without regard to case and dashes", () => {
  const known = ["KAFKA_URL", "KAFKA_TOPIC", "KAFKA_TLS"];
  assertEquals(nearest("KAFKA_TOPC", known, 1), "KAFKA_TOPIC");
  assertEquals(nearest("kafka-url", known, 0), "KAFKA_URL");
  assertEquals(nearest("KAFKA_ULR", known, 2), "KAFKA_URL");
  assertEquals(nearest("KAFKA_TOPC", known, 0), undefined);
  assertEquals(nearest("PATH", known, 3), undefined);
});

Deno.test("suggestion() says nothing where nothing is near", () => {
  assertEquals(suggestion("KAFKA_URI", ["KAFKA_URL"]), "; did you mean KAFKA_URL?");
  assertEquals(suggestion("ZOOKEEPER_HOST", ["KAFKA_URL"]), "");
});
