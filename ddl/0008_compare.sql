-- Why: two numbers are compared only over the same elapsed time, and a report can be filtered by any combination of its dimensions. A filter
-- is an array of conditions, all of which must be true: {"field": host|referrer|country|region|city, "op": is|starts|contains, "values":
-- [any of them], "not": true to exclude}. Roll-ups are read if their dimension has all fields of the filter, otherwise rows.

create function tidemark_filter_fields_v1(p_filter jsonb) returns text[] language sql immutable parallel safe
return (select coalesce(array_agg(distinct c ->> 'field'), '{}') from jsonb_array_elements(coalesce(p_filter, '[]')) c);
comment on function tidemark_filter_fields_v1(jsonb) is 'The fields of a filter.';

create function tidemark_needs_rows_v1(p_filter jsonb) returns boolean language sql immutable parallel safe
return not tidemark_filter_fields_v1(p_filter) <@ array['country', 'region', 'city'];
comment on function tidemark_needs_rows_v1(jsonb) is 'Whether a filter has a condition on hosts or referrers, which retention drops.';

-- The condition as SQL text over five expressions. Its values are quoted literals, so that the planner sees constants.
create function tidemark_filter_sql_v1(p_filter jsonb, p_host text default 'host', p_referrer text default 'referrer',
  p_country text default 'country_code', p_region text default 'region', p_city text default 'city') returns text language plpgsql immutable as $$
declare
  condition jsonb;
  expression text;
  test text;
  result text;
begin
  for condition in select c from jsonb_array_elements(coalesce(p_filter, '[]')) c
  loop
    expression := case condition ->> 'field' when 'host' then p_host when 'referrer' then p_referrer when 'country' then p_country
      when 'region' then p_region when 'city' then p_city end;
    if expression is null or coalesce(condition ->> 'op', '') not in ('is', 'starts', 'contains') or jsonb_typeof(condition -> 'values') <> 'array' then
      raise exception 'a condition has a field (host, referrer, country, region, city), an op (is, starts, contains) and an array of values'
        using errcode = '22023';
    end if;
    if condition ->> 'op' = 'is' then
      test := format('%s = any(%L::text[])', expression, array(select jsonb_array_elements_text(condition -> 'values'))::text);
    else
      select coalesce(string_agg(format(case condition ->> 'op' when 'starts' then 'starts_with(lower(%s), lower(%L))'
          else 'strpos(lower(%s), lower(%L)) > 0' end, expression, v), ' or '), 'false')
        into test from jsonb_array_elements_text(condition -> 'values') v;
    end if;
    result := concat_ws(' and ', result, format(case when (condition ->> 'not')::boolean then 'not (%s)' else '(%s)' end, test));
  end loop;
  return result;
end $$;
comment on function tidemark_filter_sql_v1(jsonb, text, text, text, text, text) is 'A filter as a condition over columns; null if it is empty. Prefixes and parts are compared without regard to case.';

create function tidemark_raw_rows_v2(p_start timestamptz, p_end timestamptz, p_condition text)
returns table (host text, referrer text, country_code text, region text, city text, num_hits bigint, bot_hits bigint)
language plpgsql stable rows 1000
set jit = off as $$
begin
  return query execute format('select t.host, t.referrer, t.country_code, t.region, t.city, t.num_hits, t.bot_hits from aggregated_web_traffic t
    where t.window_start >= $1 and t.window_start < $2 and (%s)', coalesce(p_condition, 'true')) using p_start, p_end;
end $$;
comment on function tidemark_raw_rows_v2(timestamptz, timestamptz, text) is 'Rows of closed windows that start in [p_start, p_end); with a condition only rows that meet it.';

create function tidemark_late_rows_v1(p_start timestamptz, p_end timestamptz, p_condition text)
returns table (window_start timestamptz, host text, referrer text, country_code text, region text, city text, num_hits bigint, bot_hits bigint)
language plpgsql stable rows 100
set jit = off as $$
begin
  return query execute format('select t.window_start, t.host, t.referrer, t.country_code, t.region, t.city, t.num_hits, t.bot_hits from late_web_traffic t
    where t.window_start >= $1 and t.window_start < $2 and (%s)', coalesce(p_condition, 'true')) using p_start, p_end;
end $$;
comment on function tidemark_late_rows_v1(timestamptz, timestamptz, text) is 'Late records of windows that start in [p_start, p_end); with a condition only records that meet it.';

create function tidemark_open_rows_v2(p_window_start timestamptz, p_condition text)
returns table (host text, referrer text, country_code text, region text, city text, num_hits bigint, bot_hits bigint)
language plpgsql stable rows 1000
set jit = off as $$
begin
  return query execute format('select t.host, t.referrer, t.country_code, t.region, t.city, t.num_hits, t.bot_hits from tidemark_open_rows_v1($1) t
    where %s', coalesce(p_condition, 'true')) using p_window_start;
end $$;
comment on function tidemark_open_rows_v2(timestamptz, text) is 'Rows of one open window; with a condition only rows that meet it.';

-- As tidemark_hits_v1, with any filter.
create function tidemark_hits_v2(p_dimension text, p_bucket integer[], p_start timestamptz[], p_end timestamptz[], p_keys text[],
  p_filter jsonb, p_late boolean)
returns table (bucket integer, key text, num_hits bigint, bot_hits bigint) language plpgsql stable rows 10000
set timezone = 'UTC' set jit = off set work_mem = '64MB' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  hour constant interval := '1 hour';
  day constant interval := '24 hours';
  moment constant interval := '1 microsecond';
  fields constant text[] := tidemark_filter_fields_v1(p_filter);
  condition constant text := tidemark_filter_sql_v1(p_filter);
  -- The roll-up that has every field of the filter and the key; null without one.
  rolled constant text := case
    when p_dimension in ('host', 'referrer') then case when fields <@ array[p_dimension] then p_dimension end
    when p_dimension = 'country' and fields <@ array['country'] then 'country'
    when fields <@ array['country', 'region', 'city'] then 'place' end;
  p rollup_progress%rowtype;
  ids integer[];
  day_bucket integer[]; day_from timestamptz[]; day_to timestamptz[];
  edge_bucket integer[]; edge_day timestamptz[]; edge_from integer[]; edge_to integer[];
  hour_bucket integer[]; hour_from timestamptz[]; hour_to timestamptz[];
  rest_bucket integer[]; rest_from timestamptz[]; rest_to timestamptz[];
begin
  if rolled is not null then
    select * into p from rollup_progress;
  end if;
  p.hours_through := coalesce(p.hours_through, '-infinity');
  p.days_through := coalesce(p.days_through, '-infinity');
  if p_keys is not null and rolled = p_dimension then
    select coalesce(array_agg(k.key_id), '{}') into ids from unnest(p_keys) given
      join web_traffic_key k on k.dimension = p_dimension and md5(k.key) = md5(given) and k.key = given;
  end if;
  if condition is not null and rolled is not null then
    execute format('select coalesce(array_agg(k.key_id), ''{}'') from web_traffic_key k where k.dimension = $1 and ($2 is null or k.key_id = any($2)) and %s',
      tidemark_filter_sql_v1(p_filter, 'k.key', 'k.key', case rolled when 'country' then 'k.key' else $t$split_part(k.key, E'\x1e', 1)$t$ end,
        $t$split_part(k.key, E'\x1e', 2)$t$, $t$split_part(k.key, E'\x1e', 3)$t$)) into ids using rolled, ids;
  end if;
  with piece as (
    select t.bucket, t.a, t.b, r.ha, r.hb, d.da, d.db, least(r.hb, p.days_through) as packed_through
    from unnest(p_bucket, p_start, p_end) as t(bucket, a, b)
    cross join lateral (select date_bin(hour, t.a + hour - moment, 'epoch') as ha, least(date_bin(hour, t.b, 'epoch'), p.hours_through) as hb) r
    cross join lateral (select date_bin(day, r.ha + day - moment, 'epoch') as da, least(date_bin(day, t.b, 'epoch'), p.days_through) as db) d
    where t.a < t.b
  ), cut(kind, bucket, a, b) as (
    select 'day', t.bucket, t.da, t.db from piece t
    union all
    select 'edge', t.bucket, t.ha, case when t.da < t.db then t.da else t.packed_through end from piece t
    union all
    select 'edge', t.bucket, t.db, t.packed_through from piece t where t.da < t.db
    union all
    select 'hour', t.bucket, greatest(t.ha, p.days_through), t.hb from piece t
    union all
    select 'rest', t.bucket, t.a, case when t.ha < t.hb then t.ha else t.b end from piece t
    union all
    select 'rest', t.bucket, t.hb, t.b from piece t where t.ha < t.hb
  ), kept as materialized (
    select * from cut c where c.a < c.b
  ), edge as (
    select c.bucket, u.utc_day, extract(epoch from greatest(c.a, u.utc_day) - u.utc_day) / 3600 as h_from,
           extract(epoch from least(c.b, u.utc_day + day) - u.utc_day) / 3600 as h_to
    from kept c cross join lateral generate_series(date_bin(day, c.a, 'epoch'), c.b - moment, day) as u(utc_day)
    where c.kind = 'edge'
  )
  select d.*, e.*, h.*, r.*
  into day_bucket, day_from, day_to, edge_bucket, edge_day, edge_from, edge_to, hour_bucket, hour_from, hour_to, rest_bucket, rest_from, rest_to
  from (select array_agg(c.bucket), array_agg(c.a), array_agg(c.b) from kept c where c.kind = 'day') d,
       (select array_agg(c.bucket), array_agg(c.utc_day), array_agg(c.h_from::integer), array_agg(c.h_to::integer) from edge c) e,
       (select array_agg(c.bucket), array_agg(c.a), array_agg(c.b) from kept c where c.kind = 'hour') h,
       (select array_agg(c.bucket), array_agg(c.a), array_agg(c.b) from kept c where c.kind = 'rest') r;

  return query
  with gone_by as (
    select t.bucket, t.key_id, sum(t.num_hits)::bigint as num_hits, sum(t.bot_hits)::bigint as bot_hits
    from (
      select t.bucket, x.key_id, x.num_hits, x.bot_hits
      from unnest(day_bucket, day_from, day_to) as t(bucket, a, b)
      join web_traffic_day x on x.dimension = rolled and x.day_start >= t.a and x.day_start < t.b
      where ids is null or x.key_id = any(ids)
      union all
      select t.bucket, x.key_id, x.hits_before[t.h_to + 1] - x.hits_before[t.h_from + 1],
             x.bot_hits_before[t.h_to + 1] - x.bot_hits_before[t.h_from + 1]
      from unnest(edge_bucket, edge_day, edge_from, edge_to) as t(bucket, utc_day, h_from, h_to)
      join web_traffic_day_hours x on x.dimension = rolled and x.day_start = t.utc_day
      where x.dimension = rolled and x.day_start = any(edge_day) and (ids is null or x.key_id = any(ids))
      union all
      select t.bucket, x.key_id, x.num_hits, x.bot_hits
      from unnest(hour_bucket, hour_from, hour_to) as t(bucket, a, b)
      join web_traffic_hour x on x.dimension = rolled and x.hour_start >= t.a and x.hour_start < t.b
      where ids is null or x.key_id = any(ids)
    ) t
    group by t.bucket, t.key_id
  ), raw as (
    select t.bucket, x.host, x.referrer, x.country_code, x.region, x.city, x.num_hits, x.bot_hits
    from unnest(rest_bucket, rest_from, rest_to) as t(bucket, a, b)
    cross join lateral tidemark_raw_rows_v2(t.a, t.b, condition) x
    union all
    select t.bucket, x.host, x.referrer, x.country_code, x.region, x.city, x.num_hits, x.bot_hits
    from unnest(p_bucket, p_start, p_end) as t(bucket, a, b)
    cross join lateral tidemark_late_rows_v1(t.a, t.b, condition) x
    where p_late
    union all
    select t.bucket, null, null, o.country_code, o.region, o.city, o.num_hits, o.bot_hits
    from (select distinct d.window_start from open_delta d) w
    join unnest(rest_bucket, rest_from, rest_to) as t(bucket, a, b) on w.window_start >= t.a and w.window_start < t.b
    cross join lateral tidemark_open_places_v1(w.window_start) o
    where condition is null and p_dimension in ('place', 'country')
    union all
    select t.bucket, o.host, o.referrer, o.country_code, o.region, o.city, o.num_hits, o.bot_hits
    from (select distinct d.window_start from open_delta d) w
    join unnest(rest_bucket, rest_from, rest_to) as t(bucket, a, b) on w.window_start >= t.a and w.window_start < t.b
    cross join lateral tidemark_open_rows_v2(w.window_start, condition) o
    where condition is not null or p_dimension not in ('place', 'country')
  ), recent as (
    select t.bucket, t.key, sum(t.num_hits) as num_hits, sum(t.bot_hits) as bot_hits
    from (
      select x.bucket, case p_dimension when 'place' then x.country_code || E'\x1e' || x.region || E'\x1e' || x.city
          when 'country' then x.country_code when 'host' then x.host else x.referrer end as key, x.num_hits, x.bot_hits
      from raw x
    ) t
    group by t.bucket, t.key
  )
  select t.bucket, t.key, sum(t.num_hits)::bigint, sum(t.bot_hits)::bigint
  from (
    select g.bucket, case when rolled <> p_dimension then split_part(k.key, E'\x1e', 1) else k.key end as key, g.num_hits, g.bot_hits
      from gone_by g join web_traffic_key k on k.key_id = g.key_id
    union all
    select r.bucket, r.key, r.num_hits, r.bot_hits from recent r
  ) t
  where p_keys is null or t.key = any(p_keys)
  group by t.bucket, t.key
  having sum(t.num_hits) > 0;
end $$;
comment on function tidemark_hits_v2(text, integer[], timestamptz[], timestamptz[], text[], jsonb, boolean) is
  'Hits per bucket and key of one dimension (place, country, host, referrer) over intervals of time. p_keys null: all keys; p_filter null: no filter; p_late: with late records.';

-- As tidemark_key_days_v1, with any filter.
create function tidemark_key_days_v2(p_dimension text, p_from date, p_to date, p_tz text, p_keys text[], p_filter jsonb, p_late boolean)
returns table (key text, day date, num_hits bigint, bot_hits bigint) language plpgsql stable rows 5000
set timezone = 'UTC' set jit = off as $$
#variable_conflict use_column
declare
  numbers integer[];
  starts timestamptz[];
  ends timestamptz[];
begin
  select array_agg(d.day - p_from), array_agg(d.day_start), array_agg(d.day_end) into numbers, starts, ends
  from tidemark_report_days_v2(p_from, p_to, p_tz, tidemark_needs_rows_v1(p_filter)) d
  where not d.is_unknown and d.day_end <= (select s.closed_through from stream s);
  return query
    select h.key, p_from + h.bucket, h.num_hits, h.bot_hits
    from tidemark_hits_v2(p_dimension, numbers, starts, ends, p_keys, p_filter, p_late) h;
end $$;
comment on function tidemark_key_days_v2(text, date, date, text, text[], jsonb, boolean) is
  'Hits per key and local day, of closed and known days only. Days without hits have no row.';

-- As tidemark_series_v1, with any filter, and optionally only for windows that start before p_until.
create function tidemark_series_v2(p_from date, p_to date, p_tz text, p_step text, p_filter jsonb default null, p_raw boolean default false,
  p_until timestamptz default null)
returns table (bucket_start timestamptz, bucket_end timestamptz, num_hits bigint, bot_hits bigint, late_hits bigint, late_bot_hits bigint,
  windows_expected bigint, windows_closed bigint, is_unknown boolean)
language plpgsql stable rows 1000
set timezone = 'UTC' set jit = off set work_mem = '64MB' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  fields constant text[] := tidemark_filter_fields_v1(p_filter);
  condition constant text := tidemark_filter_sql_v1(p_filter);
  filtered constant boolean := condition is not null;
  raw constant boolean := p_raw or tidemark_needs_rows_v1(p_filter);
  hour constant interval := '1 hour';
  s stream%rowtype;
  rolled timestamptz;
  size interval;
  step interval;
  a timestamptz;
  b timestamptz;
  starts timestamptz[];
  ends timestamptz[];
  numbers integer[];
  -- The roll-up that can answer the filter; null = the rows are read.
  dimension text := case when fields <@ array['country'] then 'country' when fields <@ array['country', 'region', 'city'] then 'place'
    when fields <@ array['host'] then 'host' when fields <@ array['referrer'] then 'referrer' end;
begin
  select * into s from stream;
  if not found then
    return;
  end if;
  select least(s.retired_through, hours_through) into rolled from rollup_progress;
  size := s.window_size_ms * interval '1 millisecond';
  step := case p_step when 'window' then size when 'hour' then interval '1 hour' when 'day' then interval '48 hours' end;
  if step is null then
    raise exception 'step is window, hour or day' using errcode = '22023';
  end if;
  -- Buckets start again with each local day, so that hours stay local hours after clocks change by half an hour.
  select array_agg(g.a order by g.a), array_agg(g.b order by g.a), array_agg(g.n order by g.a), min(g.a), max(g.b) into starts, ends, numbers, a, b
  from (
    select g as a, least(g + step, d.day_end, p_until) as b, row_number() over (order by g)::integer as n
    from tidemark_report_days_v2(p_from, p_to, p_tz, false) d
    cross join lateral generate_series(d.day_start, d.day_end - interval '1 microsecond', step) g
    where p_until is null or g < p_until
  ) g;
  if starts is null then
    return;
  end if;
  -- Buckets that do not begin at a full hour would each read rows at both ends.
  if not filtered or (p_step <> 'day' and exists (select from unnest(starts, ends) as t(x, y) where x <> date_trunc('hour', x) or y <> date_trunc('hour', y))) then
    dimension := null;
  end if;
  return query
  with hit as (
    select width_bucket(w.window_start, starts) as n, w.hits as num_hits, w.bot_hits, 0::bigint as late_hits, 0::bigint as late_bot_hits
      from web_traffic_window w where not filtered and w.window_start >= greatest(a, rolled) and w.window_start < b
    union all
    -- Retired windows are kept in the hours of the countries.
    select width_bucket(d.day_start + (n - 1) * hour, starts), d.hits_before[n + 1] - d.hits_before[n], d.bot_hits_before[n + 1] - d.bot_hits_before[n], 0, 0
      from web_traffic_day_hours d cross join generate_series(1, 24) n
      where not filtered and d.dimension = 'country' and d.day_start > a - 24 * hour and d.day_start < least(b, rolled)
        and d.day_start + (n - 1) * hour >= a and d.day_start + (n - 1) * hour < least(b, rolled)
    union all
    select width_bucket(t.hour_start, starts), t.num_hits, t.bot_hits, 0, 0
      from web_traffic_hour t where not filtered and t.dimension = 'country' and t.hour_start >= a and t.hour_start < least(b, rolled)
    union all
    select width_bucket(d.window_start, starts), d.hits, d.bot_hits, 0, 0
      from open_delta d where not filtered and d.window_start >= a and d.window_start < b
    union all
    select h.bucket, h.num_hits, h.bot_hits, 0, 0
      from tidemark_hits_v2(dimension, numbers, starts, ends, null, p_filter, false) h where dimension is not null
    union all
    select t.n, t.num_hits, t.bot_hits, 0, 0
      from tidemark_series_rows_v1(a, b, starts, case when dimension is null then condition end) t
    union all
    select width_bucket(t.window_start, starts), 0, 0, t.num_hits, t.bot_hits from tidemark_late_rows_v1(a, b, condition) t
  ), summed as (
    select h.n, sum(h.num_hits)::bigint as num_hits, sum(h.bot_hits)::bigint as bot_hits, sum(h.late_hits)::bigint as late_hits,
           sum(h.late_bot_hits)::bigint as late_bot_hits
    from hit h group by h.n
  )
  select t.a, t.b, coalesce(x.num_hits, 0), coalesce(x.bot_hits, 0), coalesce(x.late_hits, 0), coalesce(x.late_bot_hits, 0),
         tidemark_windows_before_v1(t.b, size) - tidemark_windows_before_v1(t.a, size),
         greatest(0, tidemark_windows_before_v1(least(t.b, s.closed_through - size + interval '1 microsecond'), size) - tidemark_windows_before_v1(t.a, size)),
         -- A day that is cut is unknown as a whole, as in contribution_report_v2.
         exists (select from data_gap g where g.to_time >= t.a
           and g.from_time < case when t.b = p_until then tidemark_day_start_v2((t.a at time zone p_tz)::date + 1, p_tz) else t.b end)
           or (t.a < s.retired_through
           and (raw or t.a <> date_trunc('hour', t.a) or least(t.b, s.retired_through) <> date_trunc('hour', least(t.b, s.retired_through))))
  from unnest(starts, ends) with ordinality as t(a, b, n) left join summed x on x.n = t.n
  order by t.a;
end $$;
comment on function tidemark_series_v2(date, date, text, text, jsonb, boolean, timestamptz) is
  'Totals per window, local hour or local day (p_step) from p_from to p_to, both inclusive, late records beside them, with the windows that make up each bucket and whether it is unknown. p_raw: the report needs what retention drops. p_until: only windows that start before it.';

create function tidemark_series_rows_v1(p_start timestamptz, p_end timestamptz, p_starts timestamptz[], p_condition text)
returns table (n integer, num_hits bigint, bot_hits bigint) language plpgsql stable rows 1000
set jit = off as $$
begin
  if p_condition is null then
    return;
  end if;
  return query execute format('select width_bucket(t.window_start, $3), sum(t.num_hits)::bigint, sum(t.bot_hits)::bigint from aggregated_web_traffic t
      where t.window_start >= $1 and t.window_start < $2 and %1$s group by 1
    union all
    select width_bucket(o.window_start, $3), t.num_hits, t.bot_hits
      from (select distinct d.window_start from open_delta d where d.window_start >= $1 and d.window_start < $2) o
      cross join lateral (select x.* from tidemark_open_rows_v1(o.window_start) x where %1$s) t', p_condition) using p_start, p_end, p_starts;
end $$;
comment on function tidemark_series_rows_v1(timestamptz, timestamptz, timestamptz[], text) is
  'Hits of closed and open windows in [p_start, p_end) that meet the condition, by the number of the bucket in which they start; nothing without a condition.';

-- ---- comparisons over the same elapsed time

-- All time while the first event is not known.
create function tidemark_seen_time_v1() returns tstzmultirange language sql stable
return coalesce((
  select tstzmultirange(tstzrange(date_bin(x.size, e.first_event_time, 'epoch'), date_bin(x.size, e.newest_event_time, 'epoch') + x.size))
  from stream_span e cross join stream s cross join lateral (select s.window_size_ms * interval '1 millisecond' as size) x
  where e.first_event_time is not null), '{(,)}');
comment on function tidemark_seen_time_v1() is 'The time that the stream has seen: from the window of the first event to the end of the newest one''s. Only there does a missing row mean zero.';

-- A range that is not over ends at the newest event. The period that is compared with it ends at the same time of its own day, to the nearest
-- window. Sums that retention keeps are by the hour.
create function tidemark_compared_v1(p_from date, p_to date, p_tz text, p_compare text)
returns table (first_day date, last_day date, until timestamptz) language plpgsql stable rows 1
set timezone = 'UTC' as $$
declare
  shift constant integer := case p_compare when 'same_weekday' then ((p_to - p_from) / 7 + 1) * 7
    when 'previous_year' then p_from - (p_from - interval '1 year')::date else p_to - p_from + 1 end;
  edge timestamptz;
  edge_day date;
begin
  first_day := p_from - case p_compare when 'previous_day' then 1 else shift end;
  last_day := case p_compare when 'previous_day' then first_day else p_to - shift end;
  select date_bin(x.size, e.newest_event_time + x.size / 2, 'epoch') into edge
    from stream_span e cross join stream s cross join lateral (select s.window_size_ms * interval '1 millisecond' as size) x;
  if edge < tidemark_day_start_v2(p_to + 1, p_tz) and (p_compare <> 'previous_day' or p_from = p_to) then
    edge := greatest(edge, tidemark_day_start_v2(p_from, p_tz));
    edge_day := (edge at time zone p_tz)::date;
    until := least(tidemark_day_start_v2(edge_day - shift, p_tz) + (edge - tidemark_day_start_v2(edge_day, p_tz)),
      tidemark_day_start_v2(edge_day - shift + 1, p_tz));
    if until < (select s.retired_through from stream s) then
      until := date_bin('1 hour', until + interval '30 minutes', 'epoch');
    end if;
  end if;
  return next;
end $$;
comment on function tidemark_compared_v1(date, date, text, text) is
  'First and last day that p_from to p_to is compared with, and where the last one ends before its midnight, since the range is not over; null where all of it is compared. p_compare: previous_day, same_weekday, previous_period or previous_year.';

-- contribution_report gives 0 for days that the stream has never seen, and compares a running day with a whole one. This one has another
-- meaning, so it is a new function.
create function contribution_report_v2(p_from date, p_to date, p_tz text default 'UTC', p_place text default 'city', p_filter jsonb default null,
  p_traffic text default 'all', p_late text default 'exclude', p_compare text default 'previous_period',
  p_order text default 'count_desc', p_limit integer default null, p_after jsonb default null)
returns table (rank bigint, country_code text, region text, city text, num_hits bigint, country_hits bigint, percentage_contribution numeric,
  previous_day_contribution bigint, next_day_contribution bigint, forecasted_change bigint, comparison_hits bigint,
  total_hits bigint, total_previous_day bigint, total_next_day bigint, total_comparison bigint, total_rows bigint, is_final boolean)
language plpgsql stable rows 1000
set timezone = 'UTC' set jit = off set work_mem = '64MB' as $$
#variable_conflict use_column
declare
  raw constant boolean := tidemark_needs_rows_v1(p_filter);
  seen constant tstzmultirange := tidemark_seen_time_v1();
  compared record;
  numbers integer[];
  starts timestamptz[];
  ends timestamptz[];
  known boolean[];
begin
  if p_place not in ('city', 'region', 'country') or p_traffic not in ('all', 'human', 'bot') or p_late not in ('include', 'exclude')
      or p_compare not in ('previous_day', 'same_weekday', 'previous_period', 'previous_year') or p_order not in ('count_desc', 'count_asc', 'place') then
    raise exception 'place is city, region or country; traffic all, human or bot; late include or exclude; compare previous_day, same_weekday, previous_period or previous_year; order count_desc, count_asc or place'
      using errcode = '22023';
  end if;
  select * into compared from tidemark_compared_v1(p_from, p_to, p_tz, p_compare);
  -- Buckets: 1 the range, 2 the day before, 3 the day after (only once it is closed), 4 the period that is compared.
  with asked as (
    select 1 as bucket, tidemark_known_time_v2(p_from, p_to, p_tz, raw) as time
    union all
    select 2, tidemark_known_time_v2(p_from - 1, p_from - 1, p_tz, raw)
    union all
    select 3, tidemark_known_time_v2(p_to + 1, p_to + 1, p_tz, raw)
      where tidemark_last_window_end_v1(tidemark_day_start_v2(p_to + 2, p_tz)) <= (select s.closed_through from stream s)
    union all
    select 4, tidemark_known_time_v2(compared.first_day, compared.last_day, p_tz, raw) * tstzmultirange(tstzrange(null, compared.until))
  )
  select array_agg(t.bucket), array_agg(lower(i)), array_agg(upper(i)),
         array(select coalesce((select not isempty(x.time * seen) from asked x where x.bucket = b), false) from generate_series(1, 4) b order by b)
    into numbers, starts, ends, known
  from asked t
  cross join lateral unnest(t.time) i;
  return query
  with hit as (
    select h.bucket, split_part(h.key, E'\x1e', 1) as country_code,
           case when p_place = 'country' then '' else split_part(h.key, E'\x1e', 2) end as region,
           case when p_place = 'city' then split_part(h.key, E'\x1e', 3) else '' end as city,
           case p_traffic when 'human' then h.num_hits - h.bot_hits when 'bot' then h.bot_hits else h.num_hits end as hits
    from tidemark_hits_v2(case when p_place = 'country' then 'country' else 'place' end, numbers, starts, ends, null, p_filter, p_late = 'include') h
  ), place as (
    select h.country_code, h.region, h.city, sum(h.hits) filter (where h.bucket = 1) as hits, sum(h.hits) filter (where h.bucket = 2) as previous,
           sum(h.hits) filter (where h.bucket = 3) as next, sum(h.hits) filter (where h.bucket = 4) as comparison
    from hit h group by 1, 2, 3
  ), whole as (
    select sum(hits) as hits, sum(previous) as previous, sum(next) as next, sum(comparison) as comparison from place
  ), listed as (
    select p.*, sum(p.hits) over (partition by p.country_code) as country_hits, count(*) over () as total_rows,
           o.first_key, row_number() over (order by o.first_key, p.country_code collate "C", p.region collate "C", p.city collate "C") as rank
    from place p
    cross join lateral (select case p_order when 'count_desc' then - p.hits when 'count_asc' then p.hits else 0 end as first_key) o
    where p.hits > 0
  )
  select l.rank, l.country_code, l.region, l.city, l.hits::bigint, l.country_hits::bigint, round(100 * l.hits / w.hits, 4),
         case when known[2] then coalesce(l.previous, 0)::bigint end,
         case when known[3] then coalesce(l.next, 0)::bigint end,
         case when known[2] and known[3] then (coalesce(l.next, 0) - coalesce(l.previous, 0))::bigint end,
         case when known[4] then coalesce(l.comparison, 0)::bigint end,
         w.hits::bigint, case when known[2] then coalesce(w.previous, 0)::bigint end, case when known[3] then coalesce(w.next, 0)::bigint end,
         case when known[4] then coalesce(w.comparison, 0)::bigint end,
         l.total_rows, coalesce((select g.final_through from stream_progress g) >= tidemark_last_window_end_v1(tidemark_day_start_v2(p_to + 1, p_tz)), false)
  from listed l cross join whole w
  where p_after is null or row(l.first_key, l.country_code collate "C", l.region collate "C", l.city collate "C")
    > row((p_after ->> 0)::numeric, p_after ->> 1, p_after ->> 2, p_after ->> 3)
  order by l.rank
  limit p_limit;
end $$;
comment on function contribution_report_v2(date, date, text, text, jsonb, text, text, text, text, integer, jsonb) is
  'As contribution_report, with null in place of 0 for a day or a period before the first event or after the newest one, is_final only once the last window that starts in the range can change no more, and with comparison_hits over the same elapsed time where the range is not over. p_filter: conditions as in tidemark_filter_sql_v1. p_compare: also previous_year.';
