// Gives a stream that was filled without breakdowns the same of all its windows: pages, clients, campaigns and channels by shares, and visitors.
import type { Sql } from "postgres";

/** A value of one host, and its share of all hits of each window. The shares of a dimension add up to 100. */
export interface ValueShare {
  /** 1 page, 2 client, 3 campaign, 4 entry channel. */
  readonly dimension: 1 | 2 | 3 | 4;
  readonly host: string;
  readonly value: string;
  readonly percent: number;
}

const client = (browser: string, system: string, device: string) => [browser, system, device].join("\x1e");
const campaign = (source: string, medium: string, name: string) => [source, medium, name].join("\x1e");

/** Two sites as a reader knows them; pages with long and with foreign names are among them. */
export const TWO_SITES: readonly ValueShare[] = [
  ...([
    ["/", 22],
    ["/news", 9],
    ["/docs/getting-started/installation-on-linux-and-other-unix-like-systems", 6],
    ["/preise/für-vereine", 4],
    ["(asset)", 12],
    ["(redirect)", 3],
    ["(error)", 2],
    ...Array.from({ length: 12 }, (_, i) => [`/blog/2026/${i + 1}`, 1] as const),
  ] as const).map(([value, percent]) => ({ dimension: 1, host: "www.example.com", value, percent } as const)),
  { dimension: 1, host: "shop.example.com", value: "/cart", percent: 20 },
  { dimension: 1, host: "shop.example.com", value: "/", percent: 10 },
  ...([
    [client("Chrome", "Windows", "desktop"), 34],
    [client("Safari", "iOS", "mobile"), 24],
    [client("Chrome", "Android", "mobile"), 18],
    [client("Firefox", "Linux", "desktop"), 8],
    [client("Safari", "iOS", "tablet"), 5],
    [client("(bot)", "(bot)", "(bot)"), 7],
    [client("(unknown)", "(unknown)", "(unknown)"), 4],
  ] as const).map(([value, percent]) => ({ dimension: 2, host: "www.example.com", value, percent } as const)),
  { dimension: 3, host: "www.example.com", value: "(none)", percent: 88 },
  { dimension: 3, host: "www.example.com", value: campaign("newsletter", "email", "autumn sale"), percent: 7 },
  { dimension: 3, host: "shop.example.com", value: campaign("google", "cpc", "brand"), percent: 5 },
  ...([["direct", 40], ["search", 25], ["social", 10], ["referral", 5], ["internal", 20]] as const)
    .map(([value, percent]) => ({ dimension: 4, host: "www.example.com", value, percent } as const)),
];

/**
 * Counts each hit of the stream in all dimensions.
 *
 * @param visitors of each day: of all hosts (""), and of each host
 */
export async function countBreakdowns(
  sql: Sql,
  values: readonly ValueShare[],
  visitors: Readonly<Record<string, number>>,
): Promise<void> {
  // Hits that a share cuts off go to the first value.
  await sql`
    insert into web_breakdown
      (window_start, dimension, hits, bot_hits, keys, folded, hosts, value_texts, host_ix, value_ix, key_hits, key_bot_hits, digest)
    select p.window_start, p.dimension, sum(p.hits), sum(p.bots), count(*), 0,
           string_agg(distinct p.host_text, '' order by p.host_text), string_agg(distinct p.value_text, '' order by p.value_text),
           array_agg(p.host_ix order by p.host_ix, p.value_ix), array_agg(p.value_ix order by p.host_ix, p.value_ix),
           array_agg(p.hits order by p.host_ix, p.value_ix), array_agg(p.bots order by p.host_ix, p.value_ix), '\\x'
    from (
      select w.window_start, v.dimension, v.host_text, v.value_text,
             (w.hits * v.percent / 100 + case v.n when 1 then w.hits - sum(w.hits * v.percent / 100) over same else 0 end)::bigint as hits,
             (w.bot_hits * v.percent / 100 + case v.n when 1 then w.bot_hits - sum(w.bot_hits * v.percent / 100) over same else 0 end)::bigint as bots,
             dense_rank() over (same order by v.host_text)::integer as host_ix, dense_rank() over (same order by v.value_text)::integer as value_ix
      from web_traffic_window w
      cross join (
        select g.dimension, (g.host || E'\\x1f') collate "C" as host_text, (g.value || E'\\x1f') collate "C" as value_text, g.percent,
               row_number() over (partition by g.dimension order by g.percent desc, g.host, g.value) as n
        from jsonb_to_recordset(${
    JSON.stringify(values)
  }::text::jsonb) as g(dimension smallint, host text, value text, percent bigint)
      ) v
      window same as (partition by w.window_start, v.dimension)
    ) p
    group by p.window_start, p.dimension`;
  await sql`update web_traffic_window set mask = 31`;
  // An open window has one value of each dimension, of its first host.
  await sql`
    update open_delta set mask = 31, value_texts = ${
    ["/open", client("Chrome", "Windows", "desktop"), "(none)", "direct"].map((text) => `${text}\x1f`).join("")
  }::text, dimension_ends = '{1,2,3,4}', value_host_ix = '{1,1,1,1}', value_ix = '{1,2,3,4}',
      value_hits = array_fill(hits::integer, array[4]), value_bot_hits = array_fill(bot_hits::integer, array[4])`;
  await sql`
    insert into visitor_sketch (day, host, visitors)
    select distinct (w.window_start at time zone 'UTC')::date, v.key, v.value::float8
    from (select window_start from web_traffic_window union all select window_start from open_delta) w
    cross join jsonb_each_text(${JSON.stringify(visitors)}::text::jsonb) v`;
}
