// The data of the pipeline page's sections. Types only.
import type { GeoState } from "../../../geo/geo_state.ts";
import type { PipelineSnapshot } from "../../../shared/snapshot.ts";
import type { EpochMs } from "../../../shared/units.ts";
import type { StreamStats } from "../../api/stream/stream_stats.ts";
import type { AppSettings, SettingView } from "../../server/deps.ts";
import type { Reader } from "../reader.ts";
import type { CommitSpan, PipelineData } from "./pipeline_data.ts";
import type { Rates } from "./pipeline_rates.ts";

/** Everything that a section may show. */
export interface PipelineInput {
  readonly data: PipelineData;
  readonly stats: StreamStats | null;
  readonly rates: Rates;
  readonly reader: Reader;
  readonly snapshots: readonly PipelineSnapshot[];
  readonly now: EpochMs;
  readonly settings: AppSettings;
  readonly settingsView: readonly SettingView[];
  readonly version: string;
  readonly geo: GeoState | null;
  /** Dead letters that are looked at, if one reason was picked. */
  readonly reason: string | undefined;
  /** What the chart of commits shows. */
  readonly span: CommitSpan;
  /** Link to this page with another reason or time of the chart. */
  readonly path: (changes: { readonly reason?: string | null; readonly span?: CommitSpan }) => string;
}
