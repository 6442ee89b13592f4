// What one engine may hold, by where it runs.
import { assertEquals } from "@std/assert";
import { engineBounds } from "../../src/app/bounds.ts";

const MIB = 2 ** 20;

const SETTINGS = {
  MAX_DELTA_KEYS: 200_000,
  MAX_DELTA_BYTES: 16 * MIB,
  MAX_DICTIONARY_BYTES: 64 * MIB,
  MAX_WINDOW_BYTES: 256 * MIB,
};

Deno.test("engineBounds() are the settings for one engine on a server, less beside others and in the embedded database", () => {
  const mib = (place: Parameters<typeof engineBounds>[1], settings = SETTINGS) => {
    const bounds = engineBounds(settings, place);
    return [bounds.maxDeltaBytes, bounds.maxDictionaryBytes, bounds.maxWindowBytes].map((bytes) => bytes / MIB);
  };
  assertEquals(mib({ embedded: false, alone: true }), [16, 64, 256]);
  assertEquals(mib({ embedded: true, alone: true }), [8, 64, 32]);
  assertEquals(mib({ embedded: false, alone: false }), [12, 24, 256]);
  const small = { ...SETTINGS, MAX_DELTA_BYTES: MIB, MAX_DICTIONARY_BYTES: 4 * MIB, MAX_WINDOW_BYTES: MIB };
  for (const embedded of [true, false]) assertEquals(mib({ embedded, alone: false }, small), [1, 4, 1]);
});
