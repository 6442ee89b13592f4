// Pages that are made from code are as the code says; `deno task docs` mends them.
import { assertEquals } from "@std/assert";
import { outdatedPages } from "../../tools/generate.ts";

Deno.test("generated pages are up to date (else run `deno task docs`)", async () => {
  assertEquals(await outdatedPages(), []);
});
