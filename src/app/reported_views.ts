// What reports are about: the saved views that NOTIFY_VIEWS names, and why some cannot be used. No I/O.
import { pageState } from "../http/pages/page_query.ts";
import type { View } from "../notify/due.ts";
import type { ReportedViews } from "../notify/notify.ts";
import { timeseriesQuery, topQuery } from "../report/report_query.ts";
import { EXIT, NamedError } from "../shared/errors.ts";
import { printable } from "../shared/printable.ts";
import type { EpochMs } from "../shared/units.ts";

/** In NOTIFY_VIEWS: the report of the whole stream. */
export const WHOLE_STREAM = "*";

const KEY_LENGTH = 12;

/** Short hash of a target or of a view's name. */
export async function keyOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex().slice(0, KEY_LENGTH);
}

/** The views of `names`, each once. One that is not saved, or that the reports would refuse, is part of the problem instead. */
export async function reportedViews(
  names: readonly string[],
  saved: readonly { readonly name: string; readonly query: string }[],
  now: EpochMs,
): Promise<ReportedViews> {
  const views: (View | null)[] = [], problems: string[] = [];
  for (const name of new Set(names)) {
    if (name === WHOLE_STREAM) {
      views.push(null);
      continue;
    }
    const query = saved.find((one) => one.name === name)?.query;
    const parameters = query === undefined ? {} : parametersOf(query);
    const problem = query === undefined ? "there is no saved view of this name" : problemOf(parameters, now);
    if (problem === null) views.push({ name, key: await keyOf(name), parameters });
    else problems.push(`"${printable(name)}" (${problem})`);
  }
  return { views, problem: problems.length === 0 ? null : viewFailed(problems) };
}

/** The parameters of a view's address without its period, which is that of the report. */
function parametersOf(query: string): View["parameters"] {
  const { range: _range, from: _from, to: _to, tz: _tz, cursor: _cursor, back: _back, ...parameters } = pageState(
    new URL(`http://view/?${query}`),
  );
  return parameters;
}

/** The first problem that the report's own queries would have, or null. */
function problemOf(parameters: View["parameters"], now: EpochMs): string | null {
  for (const result of [timeseriesQuery({ ...parameters, step: "day" }, now), topQuery(parameters, now)]) {
    if (!result.ok) return result.problems.map(({ field, message }) => `${field} ${message}`)[0] ?? null;
  }
  return null;
}

function viewFailed(problems: readonly string[]): NamedError {
  return new NamedError(
    "view_failed",
    `no report is made of ${problems.length === 1 ? "the saved view" : "the saved views"} ${problems.join(", ")}`,
    EXIT.usage,
    "Save the view under this name, or change NOTIFY_VIEWS; a missing report is then made by itself.",
  );
}
