// Keeps the coordinates of places that the engine has met, beside the stream: a map that lacks one shows it later. Shell over one table.
import type { PlacePoint } from "../geo/port.ts";
import type { Clock } from "../shared/clock.ts";
import type { ReadDatabase } from "../shared/sql.ts";
import { durationMs, SECOND } from "../shared/units.ts";

const EVERY = durationMs(10 * SECOND);
const TIMEOUT_MS = 10_000;
/** Rows of one statement. */
const ROWS_MAX = 1_000;

/** Writes what `take` gives, now and then and once more when the signal aborts; what could not be written is tried again. */
export async function keepPlacePoints(
  { database, clock, take }: {
    readonly database: ReadDatabase;
    readonly clock: Clock;
    readonly take: (max: number) => readonly PlacePoint[];
  },
  signal: AbortSignal,
): Promise<void> {
  let waiting: readonly PlacePoint[] = [];
  for (;;) {
    const last = signal.aborted;
    try {
      while ((waiting = waiting.length > 0 ? waiting : take(ROWS_MAX)).length > 0) {
        await writePoints(database, waiting);
        waiting = [];
      }
    } catch {
      // A database that is away or refuses is named by the steps that the stream needs.
    }
    if (last) return;
    await clock.sleep(EVERY, signal);
  }
}

/** The first point of a place stays: files differ by little, and a map need not move. */
async function writePoints(database: ReadDatabase, points: readonly PlacePoint[]): Promise<void> {
  await database.query((sql) =>
    sql`
      insert into tm.place_point (country_code, region, city, latitude, longitude)
      select x."countryCode", x.region, x.city, x.latitude, x.longitude
      from jsonb_to_recordset(${JSON.stringify(points)}::text::jsonb)
        as x("countryCode" text, region text, city text, latitude real, longitude real)
      order by 1, 2, 3
      on conflict do nothing`, TIMEOUT_MS);
}
