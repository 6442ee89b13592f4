// The addresses of the demo's visitors are where the table says, by the country file that is part of the program.
import { assert, assertEquals, assertGreater } from "@std/assert";
import { readBundled } from "../../../src/geo/install/bundled_npm.ts";
import { openMmdbBytes } from "../../../src/geo/mmdb/file.ts";
import { createPlaceLocator } from "../../../src/geo/place_locator.ts";
import { DEMO_CITIES } from "../../../src/source/demo/places.ts";

Deno.test("DEMO_CITIES names addresses that the bundled database places in the same countries", async () => {
  const bundled = await readBundled();
  assert("bytes" in bundled, JSON.stringify(bundled));
  const file = openMmdbBytes(bundled.bytes, "bundled");
  const locator = createPlaceLocator({ v4: file, v6: file });
  for (const { country, city, v4, v6 } of DEMO_CITIES) {
    const addresses = [
      ...v4.flatMap((prefix) => [`${prefix}.1`, `${prefix}.254`]),
      ...(v6 ? [`${v6}::1`, `${v6}::254`] : []),
    ];
    for (const address of addresses) {
      const bytes = new TextEncoder().encode(address);
      assertEquals(locator.place(locator.locate(bytes, 0, bytes.length)).countryCode, country, `${city} ${address}`);
    }
  }
});

Deno.test("DEMO_CITIES covers the world", () => {
  assertGreater(DEMO_CITIES.length, 59);
  assertGreater(new Set(DEMO_CITIES.map(({ country }) => country)).size, 34);
  assert(DEMO_CITIES.every(({ v4 }) => v4.every((prefix) => /^\d+\.\d+\.\d+$/.test(prefix))));
});
