// All rows of the contribution report, page by page, so that an export of any size needs the memory of one page. No I/O of its own.
import type { ContributionReport } from "./contribution.ts";
import { csvHeader, csvLine, ndjsonLine, type TableFormat } from "./text/csv.ts";
import { CONTRIBUTION_COLUMNS } from "./report_columns.ts";
import {
  type ContributionCursor,
  type ContributionQuery,
  decodeContributionCursor,
  LIMIT_MAX,
} from "./report_query.ts";
import { BugError } from "../shared/errors.ts";

/** Reads one page; `contributions` of `report_store.ts` bound to its database. */
type ReadPage = (query: ContributionQuery, after: ContributionCursor | undefined) => Promise<ContributionReport>;

/**
 * The report as lines of CSV or NDJSON, without a limit of rows. Each page is one snapshot: if the range is not final, numbers may grow between
 * two pages, as the columns `status` and `windows_closed` of each line show.
 */
export async function* exportContributions(
  format: TableFormat,
  query: ContributionQuery,
  read: ReadPage,
): AsyncGenerator<string> {
  if (format === "csv") yield csvHeader(CONTRIBUTION_COLUMNS);
  const line = format === "csv" ? csvLine : ndjsonLine;
  let after: ContributionCursor | undefined;
  do {
    const report = await read({ ...query, limit: LIMIT_MAX }, after);
    yield report.rows.map((row) => line(CONTRIBUTION_COLUMNS, { report, row })).join("");
    after = report.next_cursor === null ? undefined : ownCursor(report.next_cursor);
  } while (after !== undefined);
}

function ownCursor(text: string): ContributionCursor {
  const cursor = decodeContributionCursor(text);
  if ("field" in cursor) throw new BugError("the report gave out a cursor that it does not take back");
  return cursor;
}
