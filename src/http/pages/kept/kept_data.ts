// Reads saved views and notes for the overview, without a cache. Reads the database.
import { databaseProblem } from "../../server/database.ts";
import type { AppDeps } from "../../server/deps.ts";
import { type DayNote, readNotes, readViews, type SavedView } from "../../api/kept/kept_store.ts";

/** Views, and the notes of the days that are shown. */
export interface Kept {
  readonly views: readonly SavedView[];
  readonly notes: readonly DayNote[];
}

/** Null if the database does not answer or has no such tables yet: the page is then shown without them. */
export async function readKept(
  { database, settings }: Pick<AppDeps, "database" | "settings">,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<Kept | null> {
  try {
    const [views, notes] = await Promise.all([
      readViews(database, settings.queryTimeoutMs),
      readNotes(database, { from, to }, settings.queryTimeoutMs),
    ]);
    return { views, notes };
  } catch (error) {
    if (databaseProblem(error) === undefined) throw error;
    return null;
  }
}
