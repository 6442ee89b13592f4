// Reads the coordinates of ranked cities for a map. Shell.
import type { Sql } from "postgres";
import type { MapPoint } from "./report_types.ts";
import type { TopRow } from "./top.ts";

/** Most cities on a map: with more, the smaller circles could not be distinguished. */
export const MAP_CITIES = 150;

/** The rows of a ranking of cities whose coordinates are known, in its order. */
export async function cityPoints(
  sql: Sql,
  rows: readonly Pick<TopRow, "key" | "label" | "count">[],
): Promise<MapPoint[]> {
  const cities = rows.slice(0, MAP_CITIES).flatMap((row) => {
    const [country = "", region = "", city = ""] = row.key?.split("\x1e") ?? [];
    return city === "" ? [] : [{ ...row, country, region, city }];
  });
  if (cities.length === 0) return [];
  const known = await sql<{ n: number; latitude: number; longitude: number }[]>`
    select x.n, p.latitude::float8 as latitude, p.longitude::float8 as longitude
    from jsonb_to_recordset(${
    JSON.stringify(cities.map(({ country, region, city }, n) => ({ n, country, region, city })))
  }::text::jsonb) as x(n integer, country text, region text, city text)
    join tm.place_point p on p.country_code = x.country and p.region = x.region and p.city = x.city
    order by x.n`;
  return known.map(({ n, latitude, longitude }) => ({
    label: cities[n]!.label,
    count: cities[n]!.count,
    latitude,
    longitude,
  }));
}
