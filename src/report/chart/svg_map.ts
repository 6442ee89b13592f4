// The world as SVG, natural-earth projection: countries shaded and circled by hits, cities too if their coordinates are given. Pure.
// @ts-types="npm:@types/d3-geo@3.1.1"
import { geoGraticule, geoNaturalEarth1, geoPath } from "d3-geo";
// @ts-types="npm:@types/d3-scale@4.0.9"
import { scaleSqrt } from "d3-scale";
// @ts-types="npm:@types/topojson-client@3.1.5"
import { feature } from "topojson-client";
import world from "world-atlas/countries-110m.json" with { type: "json" };
import { countryName } from "../country_names.ts";
// Middle of each country's largest polygon [longitude, latitude], from world-atlas countries-50m (Natural Earth, public domain): the coarse
// outlines lack the small countries.
import countryPoints from "../country_points.json" with { type: "json" };
import { coordinate, escapeXml, numberFormat, svgFrame, type SvgOptions } from "./svg.ts";
import type { MapPoint } from "../report_types.ts";
import { printable } from "../../shared/printable.ts";
import { cutText } from "../text/text_width.ts";

/** Hits of one country; codes that are not countries (`unknown`, `private`, `invalid`) are listed below the map. */
interface MapCountry {
  readonly countryCode: string;
  readonly count: number;
}

const WIDTH = 860;
const HEIGHT = 470;
const MAP_TOP = 34;
const MAP_BOTTOM = 420;
const RADIUS_MAX = 22;
/** Cities lie closer to each other than countries do. */
const CITY_RADIUS_MAX = 13;

const POINTS: Readonly<Record<string, readonly number[]>> = countryPoints;

const projection = geoNaturalEarth1().fitExtent([[6, MAP_TOP], [WIDTH - 6, MAP_BOTTOM]], { type: "Sphere" }).precision(
  0.5,
);
// Whole pixels: less than half of the bytes, and outlines this coarse look the same.
const path = geoPath(projection).digits(0);

/** Outlines by country code, drawn once. The atlas names countries by their UN number, which a locale canonicalises to the ISO code. */
const OUTLINES = outlines();
const SPHERE = path({ type: "Sphere" }) ?? "";
const GRATICULE = relative(path(geoGraticule().step([30, 30])()) ?? "");

function outlines(): readonly { readonly code: string; readonly d: string }[] {
  // The JSON's type is what the compiler infers from its values, too narrow for the library's.
  const topology = world as unknown as Parameters<typeof feature>[0];
  const countries = feature(topology, topology.objects.countries!);
  if (countries.type !== "FeatureCollection") return [];
  return countries.features.map((country) => ({
    code: country.id === undefined
      ? country.properties?.name === "Kosovo" ? "XK" : ""
      : new Intl.Locale(`und-${country.id}`).region ?? "",
    d: relative(path(country) ?? ""),
  }));
}

/** The path with relative points, which has half of the bytes. Accepts absolute M, L and Z with whole numbers. */
function relative(d: string): string {
  let [x, y] = [0, 0];
  return d.replace(/([ML])(-?\d+),(-?\d+)/g, (_, command: string, toX: string, toY: string) => {
    const [dx, dy] = [Number(toX) - x, Number(toY) - y];
    [x, y] = [Number(toX), Number(toY)];
    if (command === "M") return `M${x},${y}`;
    // A point on the same pixel as the one before draws nothing.
    return dx === 0 && dy === 0 ? "" : `l${dx}${dy < 0 ? "" : ","}${dy}`;
  });
}

/**
 * A map. Without `points`, circles are in the middle of countries, and the legend says so.
 */
export function svgMap(countries: readonly MapCountry[], title: string, { points, id, locale }: SvgOptions & {
  readonly points?: readonly MapPoint[];
} = {}): string {
  const number = numberFormat(locale);
  const known = countries.filter(({ countryCode, count }) => count > 0 && Object.hasOwn(countryPoints, countryCode));
  const nowhere = countries.filter(({ countryCode, count }) => count > 0 && !Object.hasOwn(countryPoints, countryCode));
  const counts = new Map(known.map(({ countryCode, count }) => [countryCode, count]));
  const largest = Math.max(1, ...counts.values());
  const land = OUTLINES.map(({ code, d }) => {
    const count = counts.get(code);
    if (count === undefined) return `<path class="land" d="${d}"/>`;
    // Shades by the root, as the circles: a hundred times the hits is ten times the shade.
    const shade = 0.15 + 0.75 * Math.sqrt(count / largest);
    return `<path class="shade" fill-opacity="${coordinate(shade)}" d="${d}"><title>` +
      `${escapeXml(`${countryName(code)}: ${number(count)}`)}</title></path>`;
  });
  const circles = points ?? known.map(({ countryCode, count }) => {
    const [longitude, latitude] = POINTS[countryCode]!;
    return { label: countryName(countryCode), count, longitude: longitude!, latitude: latitude! };
  });
  const radius = scaleSqrt([0, Math.max(1, ...circles.map(({ count }) => count))], [
    0,
    points ? CITY_RADIUS_MAX : RADIUS_MAX,
  ]);
  const bySize = [...circles].sort((a, b) => b.count - a.count);
  const drawn = bySize.map(({ label, count, longitude, latitude }) => {
    const at = projection([longitude, latitude]);
    if (!at || count <= 0) return "";
    return `<circle class="c" cx="${coordinate(at[0])}" cy="${coordinate(at[1])}" r="${
      coordinate(Math.max(1.5, radius(count)))
    }">` +
      `<title>${escapeXml(`${printable(label)}: ${number(count)}`)}</title></circle>`;
  });
  const legend = points
    ? "Circles: hits by city. Shading: hits by country."
    : "Circles and shading: hits by country, drawn at its middle.";
  const beside = nowhere.map(({ countryCode, count }) => `${countryName(countryCode)} ${number(count)}`).join(", ");
  const ranking = bySize.slice(0, 10).map(({ label, count }) => `${printable(label)} ${number(count)}`).join(", ");
  const description = circles.length === 0 && nowhere.length === 0
    ? "No data in this range."
    : `${legend} ${ranking ? `Most hits: ${ranking}.` : ""}${beside ? ` Not on the map: ${beside}.` : ""}`;
  return svgFrame({
    width: WIDTH,
    height: HEIGHT,
    title,
    description,
    id,
    style:
      `.tm .sea{fill:var(--ground);stroke:var(--line)}.tm .grat{fill:none;stroke:var(--line);stroke-opacity:.35;stroke-width:.5}` +
      `.tm .shade{fill:var(--area);stroke:var(--line);stroke-width:.5}.tm .c{fill:var(--bar2);fill-opacity:.55;stroke:var(--bar2)}`,
    body:
      `<text x="8" y="20" font-weight="600">${escapeXml(printable(title))}</text><path class="sea" d="${SPHERE}"/>` +
      `<path class="grat" d="${GRATICULE}"/>${land.join("")}${drawn.join("")}` +
      `<text class="s" x="8" y="${HEIGHT - 24}">${
        escapeXml(circles.length === 0 && nowhere.length === 0 ? "No data in this range." : legend)
      }</text>` +
      (beside
        ? `<text class="s" x="8" y="${HEIGHT - 8}">${escapeXml(cutText(`Not on the map: ${beside}`, 110))}</text>`
        : ""),
  });
}
