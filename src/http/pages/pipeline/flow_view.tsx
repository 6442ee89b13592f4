// The flow source → parse → place → windows → PostgreSQL as a picture with rates; what leaves the flow is drawn below its step. Pure.
import type { GeoState } from "../../../geo/geo_state.ts";
import type { StreamState } from "../../api/stream/stream_rows.ts";
import { hostile, type Markup, timeOf } from "../markup.tsx";
import type { PipelineInput } from "./pipeline_input.ts";
import type { Rates } from "./pipeline_rates.ts";
import type { Reader } from "../reader.ts";

interface Step {
  readonly name: string;
  /** Path of its sign in a 24 by 24 box. */
  readonly sign: string;
  readonly value: unknown;
  readonly unit: string;
  readonly notes: readonly unknown[];
  /** What leaves the flow here. */
  readonly exit?: { readonly label: string; readonly value: unknown };
}

const SIGNS = {
  source: "M4 6h16M4 12h16M4 18h10",
  parse: "M8 5l-5 7 5 7M16 5l5 7-5 7",
  place: "M12 21s-7-6.2-7-11.2A7 7 0 0 1 19 9.8c0 5-7 11.2-7 11.2zM12 12a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6z",
  window: "M3 5h5v14H3zM10 5h5v14h-5zM17 5h4v14h-4z",
  store:
    "M4 6c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3zM4 6v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3",
} as const;

const SOURCES = { kafka: "Kafka topic", file: "Log files", demo: "Demo traffic" } as const;

/** The picture. */
export function flow(input: PipelineInput, state: StreamState): Markup {
  const moving = input.rates.records > 0;
  return (
    <>
      <h2 class="sr">Flow</h2>
      <ol class={`flow ${moving ? "moving" : ""}`}>
        {steps(input, state).map((step) => (
          <li>
            <div class="step">
              <p class="step-name">
                <svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true" focusable="false">
                  <path
                    d={step
                      .sign}
                  />
                </svg>
                {step.name}
              </p>
              <p class="step-value">
                {step.value} <span class="soft">{step.unit}</span>
              </p>
              {step.notes.map((note) => <p class="step-note">{note}</p>)}
            </div>
            <p class="exit">{step.exit === undefined ? "" : exit(step.exit)}</p>
          </li>
        ))}
      </ol>
    </>
  );
}

function exit({ label, value }: NonNullable<Step["exit"]>): Markup {
  return (
    <>
      <svg viewBox="0 0 12 14" width="12" height="14" aria-hidden="true" focusable="false">
        <path d="M6 0v12M2 8l4 5 4-5" />
      </svg>
      {label} <strong>{value}</strong>
    </>
  );
}

function steps(input: PipelineInput, { stream, partitions }: StreamState): Step[] {
  const { reader, rates, geo } = input;
  const openWindows = input.stats?.windows_open ?? input.data.open.length;
  const live = partitions.filter(({ retired }) => !retired);
  const total = (part: (row: StreamState["partitions"][number]) => number) =>
    reader.count(partitions.reduce((sum, row) => sum + part(row), 0));
  return [
    {
      name: SOURCES[stream.source],
      sign: SIGNS.source,
      value: rate(reader, rates.records),
      unit: "records/s",
      notes: [hostile(stream.topic), `${reader.count(live.length)} partitions`],
    },
    {
      name: "Parse",
      sign: SIGNS.parse,
      value: rate(reader, rates.records - rates.dead),
      unit: "events/s",
      notes: [`referrers: ${stream.referrer_granularity}`],
      exit: { label: "dead letters", value: total(({ dead }) => dead) },
    },
    {
      name: "Place",
      sign: SIGNS.place,
      value: rate(reader, rates.counted + rates.late),
      unit: "addresses/s",
      notes: geoNotes(geo, reader),
    },
    {
      name: "Windows",
      sign: SIGNS.window,
      value: reader.count(openWindows),
      unit: openWindows === 1 ? "open window" : "open windows",
      notes: [
        <>{reader.count(stream.window_size_ms / 60_000)} min, closed through {timeOf(reader, stream.closed_through)}</>,
        <>watermark {timeOf(reader, stream.watermark)}</>,
      ],
      exit: { label: "late", value: total(({ late }) => late) },
    },
    {
      name: "PostgreSQL",
      sign: SIGNS.store,
      value: rates.meanMs === null ? "–" : reader.decimal(rates.meanMs),
      unit: "ms a commit",
      notes: [commitWords(rates, reader), `${total(({ counted }) => counted)} counted`],
    },
  ];
}

function commitWords(rates: Rates, reader: Reader): string {
  return rates.commits === 0 ? "no commit in the last minute" : `${rate(reader, rates.commits)} commits/s`;
}

/** A rate with two digits. */
function rate(reader: Reader, perSecond: number): string {
  return perSecond >= 100 ? reader.count(Math.round(perSecond)) : reader.decimal(Number(perSecond.toPrecision(2)));
}

function geoNotes(geo: GeoState | null, reader: Reader): unknown[] {
  if (geo === null || geo.files.length === 0) return ["no address file: places unknown"];
  const oldest = Math.max(...geo.files.map(({ ageDays }) => ageDays));
  return [hostile(geo.files.map(({ name }) => name).join(", ")), `${reader.count(oldest)} days old`];
}
