// Range, time zone and filters: links and one plain GET form, so that every view is a URL and works without a script. Pure.
import { raw } from "hono/html";
import type { QueryProblem } from "../../../report/report_query.ts";
import type { TopReport } from "../../../report/top.ts";
import { hostile, type Markup, NOTHING } from "../markup.tsx";
import type { OverviewData } from "./overview_data.ts";
import { DIRECT, pageHref, type PageState, RANGES } from "../page_query.ts";

interface Controls {
  readonly state: PageState;
  /** The preset that is shown, or null. */
  readonly range: string | null;
  /** First and last day that are shown. */
  readonly from: string;
  readonly to: string;
  readonly problems: readonly QueryProblem[];
  /** Offered as filters; null where they could not be read. */
  readonly data: Pick<OverviewData, "hosts" | "referrers"> | null;
}

const OPTIONS = {
  place: [["city", "Cities"], ["region", "Regions"], ["country", "Countries"]],
  traffic: [["all", "All traffic"], ["human", "Humans"], ["bot", "Bots"]],
  compare: [["previous_period", "Period before"], ["same_weekday", "Same weekdays"], ["previous_day", "Day before"]],
  late: [["exclude", "Without late"], ["include", "With late"]],
} as const;

/** Behind a fold until one of them is used. */
const SECOND = ["place", "traffic", "compare", "late", "host", "referrer"] as const;

/** Made once, since it is long and the same on every page. Options without an end tag save a tenth of a page; names of zones need no escaping. */
const ZONES = (
  <datalist id="zones">
    {raw(["UTC", ...Intl.supportedValuesOf("timeZone")].map((zone) => `<option value="${zone}">`).join(""))}
  </datalist>
);

export function controls(given: Controls): Markup {
  const { state, range, problems, from, to } = given;
  const filtered = SECOND.some((name) => state[name] !== undefined);
  const problem = (name: string) => problems.find(({ field }) => field === name);
  return (
    <>
      <form class="controls" method="get" action="/" aria-label="Range and filters">
        <div class="ranges" role="group" aria-label="Range">
          {RANGES.map(({ name, label }) => (
            <a
              href={pageHref("/", state, { range: name, from: null, to: null })}
              aria-current={name === range ? "true" : undefined}
            >
              {label}
            </a>
          ))}
        </div>
        {state.range === undefined ? "" : <input type="hidden" name="range" value={state.range} />} {input({
          name: "from",
          label: "From",
          type: "date",
          value: state.from ?? (range === null ? from : ""),
          problem: problem("from"),
        })} {input({
          name: "to",
          label: "To",
          type: "date",
          value: state.to ?? (range === null ? to : ""),
          problem: problem("to"),
        })} {input({ name: "tz", label: "Time zone", list: "zones", value: state.tz ?? "UTC", problem: problem("tz") })}
        <button type="submit">Apply</button>
        <details class="more" open={filtered}>
          <summary>Filters</summary>
          <div>
            {select("place", "Place", state.place, problem("place"))}{" "}
            {select("traffic", "Traffic", state.traffic, problem("traffic"))}{" "}
            {select("compare", "Against", state.compare, problem("compare"))}{" "}
            {select("late", "Late records", state.late, problem("late"))} {input({
              name: "host",
              label: "Host",
              list: "known-hosts",
              value: state.host ?? "",
              placeholder: "any",
              problem: problem("host"),
            })} {input({
              name: "referrer",
              label: "Referrer",
              list: "known-referrers",
              value: state.referrer ?? "",
              placeholder: "any",
              problem: problem("referrer"),
            })}
          </div>
        </details>
        {ZONES}
        <datalist id="known-hosts">{keys(given.data?.hosts)}</datalist>
        <datalist id="known-referrers">
          <option value={DIRECT} />
          {keys(given.data?.referrers)}
        </datalist>
      </form>
      {chips(state)}
      {problemList(problems)}
    </>
  );
}

function keys(report: TopReport | undefined) {
  return (report?.rows ?? []).map(({ key }) => key ? <option value={key}></option> : "");
}

function input(given: {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly type?: string;
  readonly list?: string;
  readonly placeholder?: string;
  readonly problem: QueryProblem | undefined;
}): Markup {
  const { name, label, value, type = "text", list, placeholder, problem } = given;
  return (
    <label class={`field f-${name}`}>
      <span>{label}</span>
      <input
        name={name}
        type={type}
        value={value}
        list={list}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
        aria-invalid={problem === undefined ? undefined : "true"}
        aria-describedby={problem === undefined ? undefined : `problem-${name}`}
      />
    </label>
  );
}

function select(
  name: keyof typeof OPTIONS,
  label: string,
  chosen: string | undefined,
  problem: QueryProblem | undefined,
): Markup {
  return (
    <label class={`field f-${name}`}>
      <span>{label}</span>
      <select
        name={name}
        aria-invalid={problem === undefined ? undefined : "true"}
        aria-describedby={problem === undefined ? undefined : `problem-${name}`}
      >
        {OPTIONS[name].map(([value, text], i) => (
          <option value={i === 0 ? "" : value} selected={value === chosen}>{text}</option>
        ))}
      </select>
    </label>
  );
}

/** The filters that are set, each with a way out. */
function chips(state: PageState): Markup {
  const set = (["host", "referrer"] as const).filter((name) => state[name] !== undefined);
  if (set.length === 0) return NOTHING;
  return (
    <ul class="chips" aria-label="Filters">
      {set.map((name) => (
        <li>
          <a href={pageHref("/", state, { [name]: null })} title="Remove this filter">
            <span class="soft">{name}</span> {hostile(state[name] ?? "")} <span aria-hidden="true">×</span>
            <span class="sr">remove</span>
          </a>
        </li>
      ))}
    </ul>
  );
}

function problemList(problems: readonly QueryProblem[]): Markup {
  if (problems.length === 0) return NOTHING;
  return (
    <div class="notice bad" role="alert">
      <h2>This cannot be shown</h2>
      <ul>
        {problems.map(({ field, message, allowed }) => (
          <li id={`problem-${field}`}>
            <strong>{field}</strong> {message}.{" "}
            {allowed.length === 0 ? "" : <>Allowed: {allowed.slice(0, 10).join(", ")}.</>}
          </li>
        ))}
      </ul>
    </div>
  );
}
