// The protective checks of breakdowns and visitors in SQL, as tests/simulation/mutants.ts has those of all others: guard, then each text change. Pure.
import type { Edit } from "./mutants.ts";

/** Each is noticed by tests/integration/breakdown. The file is ddl/0011_breakdown.sql. */
export const BREAKDOWN_MUTANTS: readonly (readonly [guard: string, ...edits: Edit[]])[] = [
  // ---- commit
  [
    "a commit's breakdowns add up to its hits",
    [
      "  if wrong + wrong_late > 0 then\n    raise exception 'the breakdowns of",
      "  if false then\n    raise exception 'the breakdowns of",
    ],
  ],
  ["a late chunk's breakdowns add up to its hits", ["if wrong + wrong_late > 0 then", "if wrong > 0 then"]],
  ["an open chunk's breakdowns add up to its hits", ["if wrong + wrong_late > 0 then", "if wrong_late > 0 then"]],
  [
    "bot hits of a breakdown add up too",
    ["case when p_mask >> (s.dimension - 1) & 1 = 1 then p_bot_hits else 0 end)), false);", "s.bot_hits)), false);"],
  ],
  [
    "a dimension outside the mask is empty",
    [
      "is distinct from (case when p_mask >> (s.dimension - 1) & 1 = 1 then p_hits else 0 end,",
      "is distinct from (p_hits,",
    ],
  ],
  ["a salt is that of its day", ["where t.id is distinct from v.salt_id", "where false"]],
  ["a day without a salt takes no visitors", [
    "left join visitor_salt t using (day)",
    "join visitor_salt t using (day)",
  ]],
  // ---- closing
  [
    "a window counts what all its chunks count",
    [
      "(select bit_and(coalesce(d.mask, 0)) from open_delta d where d.window_start = p_window_start)",
      "(select bit_or(coalesce(d.mask, 0)) from open_delta d where d.window_start = p_window_start)",
    ],
  ],
  [
    "a chunk of an older program counts nothing",
    [
      "(select bit_and(coalesce(d.mask, 0)) from open_delta d where d.window_start = p_window_start)",
      "(select bit_and(coalesce(d.mask, 31)) from open_delta d where d.window_start = p_window_start)",
    ],
  ],
  [
    "a closing's breakdowns add up to its hits",
    ["and (b.hits, b.bot_hits) is distinct from (t.hits, t.bot_hits)\n  ) then", "and false\n  ) then"],
  ],
  [
    "the cap on values is exact",
    ["where r.n < p_values_max\n", "where r.n <= p_values_max\n"],
    ["where r.n >= p_values_max group", "where r.n > p_values_max group"],
  ],
  ["a host with as many values as the cap keeps all", [
    "> p_values_max as is_crowded",
    ">= p_values_max as is_crowded",
  ]],
  ["values fold within their host", ["partition by p.host order by case", "order by case"]],
  ["the largest values are kept", ["else p.hits end desc,", "else p.hits end,"]],
  [
    "equal hits fold by the bytes of the text",
    [
      "end desc, p.pair) as n",
      "end desc, p.pair desc) as n",
    ],
  ],
  ["what is folded stays folded", ["case when p.pair & low = o.other_text then 0 else p.hits end desc", "p.hits desc"]],
  ["texts of a merged chunk lie together by dimension", [
    "row_number() over (order by d.dimension)::integer as ix",
    "row_number() over (order by d.value)::integer as ix",
  ]],
  ["folded windows of equal counts have equal digests", [
    'order by texts[d.n] collate "C"',
    "order by d.n",
  ]],
  ["pairs of a window are bounded", ["b.alike > p_max_keys and b.n >= p_max_keys or", "false or"]],
  // ---- compaction
  [
    "chunks together count what each of them counts",
    ["bit_and(coalesce(r.mask, 0)) into ids", "bit_or(coalesce(r.mask, 0)) into ids"],
  ],
  [
    "a merged chunk keeps no more values than it may",
    [
      "ids, null, null, common, p_values_kept, 9223372036854775807,",
      "ids, null, null, common, 1000000000, 9223372036854775807,",
    ],
  ],
  ["a crowded window is not closed as it is", ["> p_pairs_max and count(*) > 1 from", "> p_pairs_max and false from"]],
  // ---- visitors
  ["the salt of a closed day is deleted", ["  delete from visitor_salt t where t.day < first_open;\n", ""]],
  ["the salt of an open day is kept", [
    "delete from visitor_salt t where t.day < first_open;",
    "delete from visitor_salt t where t.day <= first_open;",
  ]],
  ["a closed day gets no salt", ["where d >= first_open order by d", "order by d"]],
  ["silence ends a day", [
    "    perform tidemark_close_visitors_v1();\n    return jsonb_build_object('state', 'nothing'",
    "    return jsonb_build_object('state', 'nothing'",
  ]],
  ["a closing ends a day", ["  perform tidemark_close_visitors_v1();\n  return result ||", "  return result ||"]],
  ["updates merge by the highest rank", [
    "max(u.item & 63) as rank\n    from gone",
    "min(u.item & 63) as rank\n    from gone",
  ]],
  ["a merge keeps what is stored", ["(select * from risen union all select * from held) y", "(select * from risen) y"]],
  ["all hosts have a sketch", [
    "    union all\n    select '', f.register, max(f.rank) from fresh f group by f.register\n",
    "",
  ]],
  ["an update that is not one is refused", [" and 0 < all (updates) and 1048576 > all (updates)", ""]],
  // ---- roll-up
  [
    "an hour's breakdowns add up to its windows",
    ["    where (b.hits, b.bot_hits) is distinct from (t.hits, t.bot_hits)\n  ) then", "    where false\n  ) then"],
  ],
  ["an hour waits for the rows' roll-up", ["if h is null or h + hour > r.hours_through then", "if h is null then"]],
  [
    "breakdowns that an older program's retirement left are rolled up",
    [
      "h := date_bin(hour, least((select min(window_start) from web_traffic_window where window_start >= p.hours_through),\n    (select min(window_start) from web_breakdown where window_start >= p.hours_through)), 'epoch');",
      "h := date_bin(hour, (select min(window_start) from web_traffic_window where window_start >= p.hours_through), 'epoch');",
    ],
  ],
  [
    "a window without a dimension is missing",
    [
      "k.missing + coalesce(range_agg(tstzrange(w.window_start, w.window_end)) filter (where coalesce(w.mask, 0) >> (k.dimension - 1) & 1 = 0), '{}') as missing",
      "k.missing as missing",
    ],
  ],
  ["hours of a packed day go", [
    "    delete from breakdown_hour t where t.hour_start >= d and t.hour_start < d + day;\n",
    "",
  ]],
  // ---- retention
  [
    "a day is retired when its breakdowns are rolled up",
    ["if d < p_before::timestamp at time zone 'UTC' and (select", "if false and (select"],
  ],
  ["sums of a retired day stay", [
    "    insert into breakdown_day (day_start, dimension, key_id, num_hits, bot_hits)\n    select g.day_start",
    "    select g.day_start",
  ]],
  ["pages and campaigns go with their day", [
    "when p_dimension in (1, 3) then '(retired)'",
    "when p_dimension in (1) then '(retired)'",
  ]],
  ["only rolled-up windows are dropped", [
    "least(p_through, (select p.hours_through from breakdown_progress p))",
    "p_through",
  ]],
  [
    "hosts of late breakdowns go with their day",
    [
      "g.dimension, kept, tidemark_retired_value_v1(g.dimension, g.value), sum(g.num_hits)",
      "g.dimension, 'h', tidemark_retired_value_v1(g.dimension, g.value), sum(g.num_hits)",
    ],
  ],
  [
    "sketches of hosts go with their day",
    ["  delete from visitor_sketch v where v.day < (p_through at time zone 'UTC')::date and v.host <> '';\n", ""],
  ],
  ["upkeep drops what an older program has left", [
    "  perform tidemark_drop_breakdowns_v1(coalesce(",
    "  perform (coalesce(",
  ]],
  // ---- reports
  [
    "an open window counts what all its chunks count",
    [
      "having bit_and(coalesce(d.mask, 0)) & dimension_bit > 0",
      "having bit_or(coalesce(d.mask, 0)) & dimension_bit > 0",
    ],
  ],
  ["a day that is counted in part has no visitors", ["or c.missing && tstzrange(a.day_start, a.day_end) then", "then"]],
  ["a day with a gap has no visitors", [
    "when exists (select from data_gap g where g.from_time < a.day_end and g.to_time >= a.day_start) then 'gap'\n          when",
    "when",
  ]],
];
