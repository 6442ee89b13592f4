// Asks the product: reports and ledger by the HTTP application, the function and the view by SQL. Shell.
import type { Sql } from "postgres";
import { durationMs } from "../../src/shared/units.ts";
import { testApp } from "../http/app_fixture.ts";
import type { Oracle } from "./oracle.ts";
import type { Question } from "./questions.ts";
import type { Play } from "./steps.ts";

/** The API of one history, as a client that keeps answers sees it. Limits on readers are not what is tested here. */
export class Client {
  readonly #app: ReturnType<typeof testApp>;
  readonly #sql: Sql;
  /** By URL: the last answer, as long as the program calls it unchanged. */
  readonly #kept = new Map<string, { readonly etag: string; readonly text: string }>();

  constructor(play: Play) {
    this.#sql = play.world.sql;
    this.#app = testApp({
      database: play.world.api,
      clock: play,
      settings: { rateLimit: { perSecond: 1_000_000, burst: 1_000_000 }, queryTimeoutMs: durationMs(20_000) },
    });
  }

  /** The answer as JSON. @throws Error where the program refuses the question */
  async ask({ kind, params }: Question, oracle: Oracle): Promise<unknown> {
    switch (kind) {
      case "function":
        return await askFunction(this.#sql, params);
      case "breakdown_function":
        return await askBreakdownFunction(this.#sql, params);
      case "breakdown":
        return JSON.parse(await this.#get(`/v1/reports/top?${new URLSearchParams(params)}`));
      case "live":
        return await askLive(this.#sql);
      case "ledger":
        return JSON.parse(await this.#get(`/v1/ledger${deepRange(oracle)}`));
      case "export": {
        const text = await this.#get(
          `/v1/reports/contributions?${new URLSearchParams({ ...params, format: "ndjson" })}`,
        );
        return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
      }
      case "contributions":
        return await this.#allPages(`/v1/reports/contributions?${new URLSearchParams(params)}`);
      default:
        return JSON.parse(await this.#get(`/v1/reports/${kind}?${new URLSearchParams(params)}`));
    }
  }

  /** The first page, with the rows of all pages in it. */
  async #allPages(path: string): Promise<unknown> {
    const first = JSON.parse(await this.#get(path));
    for (let cursor = first.next_cursor; cursor !== null;) {
      const page = JSON.parse(await this.#get(`${path}&${new URLSearchParams({ cursor })}`));
      first.rows.push(...page.rows);
      cursor = page.next_cursor;
    }
    return first;
  }

  async #get(path: string): Promise<string> {
    const kept = this.#kept.get(path);
    const response = await this.#app.request(path, { headers: kept ? { "if-none-match": kept.etag } : {} });
    if (kept && response.status === 304) return kept.text;
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${path} answers ${response.status}: ${text}`);
    const etag = response.headers.get("etag");
    if (etag !== null) this.#kept.set(path, { etag, text });
    return text;
  }
}

/** All rows are added again, from the first day to the last. */
function deepRange(oracle: Oracle): string {
  const span = oracle.span("UTC");
  if (span === null) return "";
  const to = new Date(Date.parse(span.last) + 86_400_000).toISOString();
  return `?${new URLSearchParams({ deep: "true", from: `${span.first}T00:00:00Z`, to })}`;
}

/** The filter as the function takes it. */
function conditions(params: Question["params"]): unknown[] {
  return ["host", "referrer", "country", "region", "city"].flatMap((field) =>
    params[field] === undefined ? [] : [{ field, op: "is", values: [params[field]], not: false }]
  );
}

export async function askFunction(sql: Sql, params: Question["params"]): Promise<unknown> {
  const { from, to, tz, place, traffic, late, compare, order } = params;
  return await sql`
    select country_code, region, city, num_hits::float8 as num_hits, country_hits::float8 as country_hits,
           previous_day_contribution::float8 as previous_day, next_day_contribution::float8 as next_day,
           comparison_hits::float8 as comparison, total_hits::float8 as total_hits, total_previous_day::float8 as total_previous_day,
           total_next_day::float8 as total_next_day, total_comparison::float8 as total_comparison, total_rows::float8 as total_rows, is_final
    from contribution_report_v2(${from!}::text::date, ${to!}::text::date, ${tz!}::text, p_place => ${place!}::text, p_filter => ${
    JSON.stringify(conditions(params))
  }::text::jsonb, p_traffic => ${traffic ?? "all"}::text, p_late => ${
    late ?? "exclude"
  }::text, p_compare => ${compare!}::text, p_order => ${order!}::text)`;
}

async function askBreakdownFunction(sql: Sql, params: Question["params"]): Promise<unknown> {
  const { from, to, tz, by, host, traffic, late } = params;
  return await sql`
    select value, num_hits::float8 as num_hits, total_hits::float8 as total_hits, extract(epoch from counted_since)::float8 * 1000 as counted_since, is_final
    from breakdown_report(${from!}::text::date, ${to!}::text::date, ${tz!}::text, ${by!}::text, p_hosts => (select array_agg(h) from (select ${
    host ?? null
  }::text as h) x where h is not null), p_traffic => ${traffic ?? "all"}::text, p_late => ${late ?? "exclude"}::text)`;
}

async function askLive(sql: Sql): Promise<unknown> {
  return await sql`
    select extract(epoch from window_start)::float8 * 1000 as window, host, referrer, country_code, region, city,
           num_hits::float8 as num_hits, bot_hits::float8 as bot_hits, is_final from web_traffic_live`;
}
