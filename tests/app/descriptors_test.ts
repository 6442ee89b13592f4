import { assert, assertEquals } from "@std/assert";
import { descriptorLimit, httpShare } from "../../src/app/descriptors.ts";

Deno.test("httpShare() is half of the descriptors, within bounds", () => {
  for (const [limit, share] of [[8, 16], [256, 128], [1_024, 512], [8_192, 4_096], [1_000_000, 4_096]]) {
    assertEquals(httpShare(limit!), share);
  }
});

Deno.test("descriptorLimit() is the limit of this process", async () => {
  const limit = await descriptorLimit();
  assert(Number.isSafeInteger(limit) && limit >= 256, String(limit));
});
