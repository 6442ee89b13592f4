// The data of the overview's sections. Types only.
import type { GeoState } from "../../../geo/geo_state.ts";
import type { DayNote } from "../../api/kept/kept_store.ts";
import type { PageQueries, PageState } from "../page_query.ts";
import type { Reader } from "../reader.ts";
import type { OverviewData } from "./overview_data.ts";

/** The data of the overview's views, except the reports. */
export interface ViewContext {
  readonly queries: PageQueries;
  readonly state: PageState;
  readonly reader: Reader;
  readonly geo: GeoState | null;
  /** Notes of the days that are shown. */
  readonly notes: readonly DayNote[];
}

export interface OverviewInput extends ViewContext {
  readonly data: OverviewData;
}
