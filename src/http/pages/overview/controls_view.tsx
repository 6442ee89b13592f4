// Range, time zone and filters: links and one plain GET form, so that every view is a URL and works without a script. Pure.
import { raw } from "hono/html";
import { type Condition, FILTER_FIELDS, FILTER_OP_NAMES, FILTER_OPS, type FilterOp } from "../../../report/filter.ts";
import { countryName } from "../../../report/country_names.ts";
import type { QueryProblem } from "../../../report/report_query.ts";
import type { TopReport } from "../../../report/top.ts";
import { hostile, type Markup, NOTHING } from "../markup.tsx";
import type { OverviewData } from "./overview_data.ts";
import { changedFilterHref, DIRECT, pageConditions, pageHref, type PageState } from "../page_query.ts";
import { RANGES } from "../page_ranges.ts";

interface Controls {
  readonly state: PageState;
  /** The preset that is shown, or null. */
  readonly range: string | null;
  /** First and last day that are shown. */
  readonly from: string;
  readonly to: string;
  readonly tz: string;
  readonly problems: readonly QueryProblem[];
  /** Offered as filters; null if they could not be read. */
  readonly data: Pick<OverviewData, "hosts" | "sources" | "countries"> | null;
}

const OPTIONS = {
  place: [["city", "Cities"], ["region", "Regions"], ["country", "Countries"]],
  traffic: [["all", "Humans and bots"], ["human", "Humans"], ["bot", "Bots"]],
  compare: [
    ["previous_period", "Period before"],
    ["previous_year", "A year before"],
    ["same_weekday", "Same weekdays before"],
    ["previous_day", "Day before"],
  ],
  step: [["", "Automatic"], ["5min", "5 minutes"], ["hour", "Hours"], ["day", "Days"], ["week", "Weeks"], [
    "month",
    "Months",
  ]],
  late: [["exclude", "Without late records"], ["include", "With late records"]],
} as const;

/** Behind a fold until one of them is used. */
const SECOND = ["place", "traffic", "late", "step", "filter"] as const;

/** Made once, since it is long and the same on every page. Options without an end tag save a tenth of a page; names of zones need no escaping. */
const ZONES = (
  <datalist id="zones">
    {raw(["UTC", ...Intl.supportedValuesOf("timeZone")].map((zone) => `<option value="${zone}">`).join(""))}
  </datalist>
);

export function controls(given: Controls): Markup {
  const { state, range, problems, from, to, tz } = given;
  const used = SECOND.some((name) => state[name] !== undefined);
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
        {range === null ? "" : <input type="hidden" name="range" value={range} />}
        {state.filter === undefined ? "" : <input type="hidden" name="filter" value={state.filter} />}
        {state.order === undefined ? "" : <input type="hidden" name="order" value={state.order} />} {input({
          name: "from",
          label: "From",
          type: "date",
          value: from,
          problem: problem("from"),
        })} {input({ name: "to", label: "To", type: "date", value: to, problem: problem("to") })}{" "}
        {select("compare", "Against", state.compare, problem("compare"))}{" "}
        {input({ name: "tz", label: "Time zone", list: "zones", value: tz, problem: problem("tz") })}
        <button type="submit" class="apply">Apply</button>
        <details class="more" id="more" open={used}>
          <summary>Filters</summary>
          <div>
            {select("traffic", "Traffic", state.traffic, problem("traffic"))}{" "}
            {select("place", "Places by", state.place, problem("place"))}{" "}
            {select("step", "Chart by", state.step, problem("step"))}{" "}
            {select("late", "Late records", state.late, problem("late"))}
            <fieldset class="add">
              <legend>Add a filter</legend>
              <select name="field" aria-label="Field">
                {FILTER_FIELDS.map((name) => <option value={name}>{name}</option>)}
              </select>
              <select name="op" aria-label="How it is compared">
                {FILTER_OP_NAMES.map((name) => <option value={name}>{FILTER_OPS[name].words}</option>)}
              </select>
              <input
                name="value"
                aria-label="Value"
                list="known-values"
                placeholder="value"
                autocomplete="off"
                spellcheck={false}
                aria-invalid={problem("filter") === undefined ? undefined : "true"}
                aria-describedby={problem("filter") === undefined ? undefined : "problem-filter"}
              />
            </fieldset>
          </div>
        </details>
        {ZONES}
        <datalist id="known-values">
          {keys(given.data?.hosts)}
          {keys(given.data?.sources)}
          {(given.data?.countries.rows ?? []).slice(0, 30).map(({ label }) => <option value={label}></option>)}
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
  readonly problem: QueryProblem | undefined;
}): Markup {
  const { name, label, value, type = "text", list, problem } = given;
  return (
    <label class={`field f-${name}`}>
      <span>{label}</span>
      <input
        name={name}
        type={type}
        value={value}
        list={list}
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

/** The opposite condition: excluded instead of wanted, or back. */
function opposite(op: FilterOp): FilterOp {
  const { op: way, not } = FILTER_OPS[op];
  return FILTER_OP_NAMES.find((name) => FILTER_OPS[name].op === way && FILTER_OPS[name].not !== not)!;
}

/** A condition's value as a reader knows it. */
export function conditionValue({ field, op, value }: Condition): string {
  if (field === "country" && FILTER_OPS[op].op === "is") return countryName(value);
  if (value !== "") return value;
  return field === "referrer" ? DIRECT : "(none)";
}

/** The filters that are set, each with links to its opposite and to remove it. */
function chips(state: PageState): Markup {
  const conditions = pageConditions(state);
  if (conditions.length === 0) return NOTHING;
  return (
    <ul class="chips" aria-label="Filters">
      {conditions.map((one, i) => (
        <li>
          <a href={changedFilterHref(state, i, null)} title="Remove this filter">
            <span class="soft">{one.field} {FILTER_OPS[one.op].words}</span> {hostile(conditionValue(one))}{" "}
            <span aria-hidden="true">×</span>
            <span class="sr">remove</span>
          </a>
          <a
            class="flip"
            href={changedFilterHref(state, i, { ...one, op: opposite(one.op) })}
            title="The opposite of this filter"
          >
            {FILTER_OPS[one.op].not ? "include" : "exclude"}
          </a>
        </li>
      ))}
      {conditions.length < 2 ? "" : (
        <li>
          <a href={pageHref("/", state, { filter: null })}>Remove all</a>
        </li>
      )}
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
            {allowed.length === 0 || (allowed.length > 1 && message.includes(allowed.join(", ")))
              ? ""
              : <>Allowed: {allowed.slice(0, 10).join(", ")}.</>}
          </li>
        ))}
      </ul>
    </div>
  );
}
