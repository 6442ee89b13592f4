// Asks the product: reports and ledger by the HTTP application, the function and the view by SQL. Shell.
import type { Sql } from "postgres";
import { testApp } from "../http/app_fixture.ts";
import type { Oracle } from "./oracle.ts";
import type { Question } from "./questions.ts";
import type { Play } from "./steps.ts";

type App = ReturnType<typeof testApp>;

/** The API of one history. Each answer is asked for anew; limits on readers are not what is tested here. */
export function api(play: Play): App {
  return testApp({
    database: play.world.api,
    clock: play,
    settings: { rateLimit: { perSecond: 1_000_000, burst: 1_000_000 }, queryTimeoutMs: 20_000 as never },
  });
}

/** The answer as JSON. @throws Error where the program refuses the question */
export async function ask(question: Question, app: App, sql: Sql, oracle: Oracle): Promise<unknown> {
  const { kind, params } = question;
  switch (kind) {
    case "function":
      return await askFunction(sql, params);
    case "live":
      return await askLive(sql);
    case "ledger":
      return await get(app, `/v1/ledger${deepRange(oracle)}`);
    default:
      return await get(app, `/v1/reports/${kind}?${new URLSearchParams(params)}`);
  }
}

async function get(app: App, path: string): Promise<unknown> {
  const response = await app.request(path, { headers: { accept: "application/json" } });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${path} answers ${response.status}: ${text}`);
  return JSON.parse(text);
}

/** All rows are added again, from the first day to the last. */
function deepRange(oracle: Oracle): string {
  const span = oracle.span("UTC");
  if (span === null) return "";
  const to = new Date(Date.parse(span.last) + 86_400_000).toISOString();
  return `?${new URLSearchParams({ deep: "true", from: `${span.first}T00:00:00Z`, to })}`;
}

export async function askFunction(sql: Sql, params: Question["params"]): Promise<unknown> {
  const { from, to, tz, place, host, referrer, traffic, late, compare, order } = params;
  return await sql`
    select country_code, region, city, num_hits::float8 as num_hits, country_hits::float8 as country_hits,
           previous_day_contribution::float8 as previous_day, next_day_contribution::float8 as next_day,
           comparison_hits::float8 as comparison, total_hits::float8 as total_hits, total_previous_day::float8 as total_previous_day,
           total_next_day::float8 as total_next_day, total_comparison::float8 as total_comparison, total_rows::float8 as total_rows, is_final
    from contribution_report(${from!}::text::date, ${to!}::text::date, ${tz!}::text, p_place => ${place!}::text, p_host => ${
    host ?? null
  }::text, p_referrer => ${referrer ?? null}::text, p_traffic => ${traffic ?? "all"}::text, p_late => ${
    late ?? "exclude"
  }::text, p_compare => ${compare!}::text, p_order => ${order!}::text)`;
}

async function askLive(sql: Sql): Promise<unknown> {
  return await sql`
    select extract(epoch from window_start)::float8 * 1000 as window, host, referrer, country_code, region, city,
           num_hits::float8 as num_hits, bot_hits::float8 as bot_hits, is_final from web_traffic_live`;
}
