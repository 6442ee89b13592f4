import { assertEquals } from "@std/assert";
import { crc32c } from "../../../../src/source/kafka/decode/crc32c.ts";
import { slowCrc32c } from "../../../support/kafka_record_batch.ts";

Deno.test("crc32c() gives the values of RFC 3720 appendix B.4", () => {
  const sum = (bytes: Uint8Array) => crc32c(bytes, 0, bytes.length).toString(16);
  assertEquals(sum(new TextEncoder().encode("123456789")), "e3069283");
  assertEquals(sum(new Uint8Array(32)), "8a9136aa");
  assertEquals(sum(new Uint8Array(32).fill(255)), "62a8ab43");
  assertEquals(sum(Uint8Array.from({ length: 32 }, (_, i) => i)), "46dd794e");
});

Deno.test("crc32c() agrees with the bit-by-bit definition at every length and alignment", () => {
  const bytes = Uint8Array.from({ length: 120 }, (_, i) => (i * 2654435761) >>> 11);
  for (let start = 0; start < 20; start++) {
    for (let end = start; end <= bytes.length; end++) {
      assertEquals(crc32c(bytes, start, end), slowCrc32c(bytes.subarray(start, end)), `[${start}, ${end})`);
    }
  }
});
