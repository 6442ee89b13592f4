// Goal: charts are well-formed whatever the stream brought, tell the same in words, and are to scale.
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
// @ts-types="npm:@types/topojson-client@3.1.5"
import { feature } from "topojson-client";
// @ts-types="npm:@types/d3-geo@3.1.1"
import { geoArea, geoCentroid } from "d3-geo";
import fine from "world-atlas/countries-50m.json" with { type: "json" };
import points from "../../src/report/country_points.json" with { type: "json" };
import { escapeXml } from "../../src/report/chart/svg.ts";
import { svgBars } from "../../src/report/chart/svg_bars.ts";
import { svgMap } from "../../src/report/chart/svg_map.ts";
import { svgTimeseries } from "../../src/report/chart/svg_timeseries.ts";
import type { SeriesPoint } from "../../src/report/timeseries.ts";

const HOSTILE = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `</title></svg><script>alert(1)</script>`,
  `' onload='alert(1)`,
  `]]><![CDATA[`,
  `&lt;&amp;&#x3c;script&#62;`,
  `javascript:alert(1)`,
  `\u0000\u0008\ufffe\ud800\u202e`,
];

/** Tags balance, attributes are quoted, and only elements that charts are made of appear. */
function assertWellFormed(svg: string) {
  const allowed = new Set(["svg", "title", "desc", "style", "rect", "g", "text", "path", "circle", "defs", "pattern"]);
  const open: string[] = [];
  const rest = svg.replace(
    /<(\/?)([A-Za-z]+)((?: [A-Za-z-]+="[^"<]*")*)(\/?)>/g,
    (_, closing, name, attributes, empty) => {
      assert(allowed.has(name), name);
      assert(!/ on[a-z]+=/i.test(attributes) && !/href/i.test(attributes), attributes);
      if (closing) assertEquals(open.pop(), name);
      else if (!empty) open.push(name);
      return "";
    },
  );
  assertEquals(open, []);
  assert(!/[<>]/.test(rest), rest.match(/.{0,40}[<>].{0,40}/)?.[0]);
  assert(!/&(?!(amp|lt|gt|quot|#39);)/.test(rest));
  // deno-lint-ignore no-control-regex -- what XML forbids
  assert(!/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(svg) && svg.isWellFormed());
}

function series(count: number): SeriesPoint[] {
  return Array.from({ length: count }, (_, i) => {
    const gap = i === 3;
    return {
      start: new Date(Date.UTC(2026, 10, 1, i)).toISOString(),
      end: new Date(Date.UTC(2026, 10, 1, i + 1)).toISOString(),
      human: gap ? null : 10 * i,
      bot: gap ? null : i,
      total: gap ? null : 11 * i,
      late_count: 0,
      status: i >= count - 2 ? "provisional" : "final",
      gap,
      coverage: gap ? "gap" : "full",
      previous: null,
    };
  });
}

Deno.test("svgBars(), svgMap() and svgTimeseries() show hostile text as text only", () => {
  for (const label of HOSTILE) {
    assertWellFormed(svgBars([{ label, count: 3, percentage: 100 }], label));
    assertWellFormed(
      svgMap([{ countryCode: label, count: 1 }], label, {
        points: [{ label, count: 1, longitude: 1, latitude: 2 }],
        id: label,
      }),
    );
    assertWellFormed(svgTimeseries(series(10), { tz: "UTC", title: label, id: label }));
  }
});

Deno.test("charts without data say so", () => {
  for (const svg of [svgBars([], "t"), svgMap([], "t"), svgTimeseries([], { tz: "UTC", title: "t" })]) {
    assertWellFormed(svg);
    assertStringIncludes(svg, "No data in this range.");
  }
});

Deno.test("svgBars() is to scale and tells its numbers in words", () => {
  const svg = svgBars([{ label: "a", count: 200, percentage: 80 }, { label: "b", count: 50, percentage: 20 }, {
    label: "c",
    count: null,
    percentage: null,
  }], "Hits");
  const [long, short] = [...svg.matchAll(/class="b" x="190" y="\d+" width="([\d.]+)"/g)].map((match) =>
    Number(match[1])
  );
  assertAlmostEquals(long! / short!, 4, 0.01);
  assertStringIncludes(svg, `<desc id="chart-d">a 200, b 50, c unknown.</desc>`);
});

Deno.test("svgTimeseries() leaves gaps open and marks what is provisional", () => {
  const svg = svgTimeseries(series(10), { tz: "Europe/Berlin", title: "Hits" });
  // One run before the gap, one after it.
  assertEquals(svg.match(/<path class="b" /g)?.length, 2);
  assertStringIncludes(svg, "1 intervals unknown, the last 2 provisional");
  assertStringIncludes(svg, "Europe/Berlin");
});

Deno.test("svgMap() shades and circles by country, and names what is nowhere", () => {
  const svg = svgMap([
    { countryCode: "AU", count: 400 },
    { countryCode: "SG", count: 100 },
    { countryCode: "unknown", count: 7 },
  ], "World");
  const radii = [...svg.matchAll(/ r="([\d.]+)"/g)].map((match) => Number(match[1]));
  // Area is proportional to hits: a quarter of the hits is half of the radius. Singapore is too small for an outline, not for a circle.
  assertAlmostEquals(radii[0]! / radii[1]!, 2, 0.01);
  assertEquals(svg.match(/class="shade"/g)?.length, 1);
  assertStringIncludes(svg, "Not on the map: (unknown) 7");
  assertStringIncludes(svg, "hits by country, drawn at its middle.");
});

Deno.test("country_points.json holds the middle of each country's largest polygon", () => {
  const topology = fine as unknown as Parameters<typeof feature>[0];
  const countries = feature(topology, topology.objects.countries!) as unknown as {
    features: { id?: string; properties: { name: string }; geometry: { type: string; coordinates: never } }[];
  };
  const seen = new Set<string>();
  for (const { id, properties, geometry } of countries.features) {
    const code = properties.name === "Kosovo"
      ? "XK"
      : id === undefined
      ? ""
      : new Intl.Locale(`und-${id}`).region ?? "";
    // Dependencies of a country come after it with its number.
    if (!/^[A-Z]{2}$/.test(code) || seen.has(code)) continue;
    seen.add(code);
    const polygons = (geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates as never[])
      .map((coordinates) => ({ type: "Polygon" as const, coordinates }));
    const areas = polygons.map((polygon) => geoArea(polygon));
    const [x, y] = geoCentroid(polygons[areas.indexOf(Math.max(...areas))]!);
    const stored = (points as unknown as Record<string, [number, number]>)[code]!;
    assertAlmostEquals(stored[0], x, 0.051, code);
    assertAlmostEquals(stored[1], y, 0.051, code);
  }
  assertEquals(seen.size, Object.keys(points).length);
});

Deno.test("escapeXml() escapes all five and replaces what XML forbids", () => {
  assertEquals(escapeXml(`<>&"'\u0001\ud800`), "&lt;&gt;&amp;&quot;&#39;\ufffd\ufffd");
});
