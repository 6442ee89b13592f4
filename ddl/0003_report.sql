-- Why: reports must not read raw rows. When all windows of an hour are closed it is rolled up once, and when all hours of a UTC day are
-- rolled up they are packed into the day; a closed window never changes, so neither does a roll-up. Reports add whole days, the hours at
-- the edges of the caller's time zone, closed windows that no hour holds yet, and open windows; all in one snapshot.

-- Rows are appended in the order of windows: a few bytes a megabyte find an hour again. Partitions get the index when they are attached.
create index aggregated_web_traffic_time on aggregated_web_traffic using brin (window_start) with (pages_per_range = 32, autosummarize = on);

create table web_traffic_key (
  key_id    integer generated always as identity primary key,
  dimension text    not null check (dimension in ('place', 'country', 'host', 'referrer')),
  key       text    not null
);
-- Over the hash, since a key may be longer than an index entry.
create unique index web_traffic_key_text on web_traffic_key (dimension, md5(key));
comment on table web_traffic_key is 'Dictionary of the roll-ups: what a key_id stands for.';
comment on column web_traffic_key.key_id is 'Number of the key.';
comment on column web_traffic_key.dimension is 'What is counted: place, country, host or referrer.';
comment on column web_traffic_key.key is 'Text of the host or referrer, country code, or for a place country, region and city separated by U+001E.';

create table web_traffic_hour (
  hour_start timestamptz not null,
  dimension  text        not null,
  key_id     integer     not null,
  num_hits   bigint      not null,
  bot_hits   bigint      not null
);
create index web_traffic_hour_time on web_traffic_hour (dimension, hour_start);
comment on table web_traffic_hour is 'Hits per hour of days that are not packed yet. Each dimension adds up to the same total.';
comment on column web_traffic_hour.hour_start is 'Start of the hour (UTC), inclusive; a window belongs to the hour in which it starts.';
comment on column web_traffic_hour.dimension is 'What is counted: place, country, host or referrer.';
comment on column web_traffic_hour.key_id is 'Key, see web_traffic_key.';
comment on column web_traffic_hour.num_hits is 'Hits by humans and bots.';
comment on column web_traffic_hour.bot_hits is 'Hits by bots, a part of num_hits.';

create table web_traffic_day (
  day_start timestamptz not null,
  dimension text        not null,
  key_id    integer     not null,
  num_hits  bigint      not null,
  bot_hits  bigint      not null
);
create index web_traffic_day_time on web_traffic_day (dimension, day_start);
comment on table web_traffic_day is 'Hits per UTC day, narrow: what a report of months adds up.';
comment on column web_traffic_day.day_start is 'Start of the UTC day, inclusive.';
comment on column web_traffic_day.dimension is 'What is counted: place, country, host or referrer.';
comment on column web_traffic_day.key_id is 'Key, see web_traffic_key.';
comment on column web_traffic_day.num_hits is 'Hits by humans and bots.';
comment on column web_traffic_day.bot_hits is 'Hits by bots, a part of num_hits.';

create table web_traffic_day_hours (
  key_id          integer     not null,
  day_start       timestamptz not null,
  dimension       text        not null,
  hits_before     bigint[]    not null,
  bot_hits_before bigint[]    not null,
  primary key (key_id, day_start)
);
create index web_traffic_day_hours_time on web_traffic_day_hours (dimension, day_start);
comment on table web_traffic_day_hours is 'The hours of packed days as running sums, so that any run of hours of one day is one subtraction: a local day is two of them.';
comment on column web_traffic_day_hours.key_id is 'Key, see web_traffic_key.';
comment on column web_traffic_day_hours.day_start is 'Start of the UTC day, inclusive.';
comment on column web_traffic_day_hours.dimension is 'What is counted: place, country, host or referrer.';
comment on column web_traffic_day_hours.hits_before is '25 sums: element h + 1 holds the hits of the day before hour h.';
comment on column web_traffic_day_hours.bot_hits_before is 'The same for hits by bots.';

create table rollup_progress (
  only_row          boolean     primary key default true check (only_row),
  hours_through     timestamptz not null default '-infinity',
  days_through      timestamptz not null default '-infinity',
  forgotten_through timestamptz not null default '-infinity'
);
insert into rollup_progress default values;
comment on table rollup_progress is 'How far windows are rolled up. Its row lock lets one instance roll up at a time.';
comment on column rollup_progress.only_row is 'Always true: there is exactly one row.';
comment on column rollup_progress.hours_through is 'Windows that start before this hour are rolled up.';
comment on column rollup_progress.days_through is 'Hours before this UTC day are packed into days.';
comment on column rollup_progress.forgotten_through is 'Hosts and referrers of days before this time are deleted, since retention has dropped their rows.';

-- One hour or one day a call, so that nobody waits long. Reads closed_through before it looks for open deltas: a record that is committed
-- later belongs to a window that ends after closed_through, so an hour found complete stays complete, and the stream row need not be locked.
-- Beyond p_max_keys hosts and referrers an hour (by hits descending, then key) fold into (other): a flood of new ones fills no dictionary.
-- Sums by place outlive retention; hosts and referrers do not: a referrer may hold what retention is meant to delete.
-- Returns what was done as an object with a "state": busy (another is rolling up), nothing, hour, day, forgotten.
create function tidemark_roll_up_v1(p_max_keys bigint default 1000) returns jsonb language plpgsql volatile
set timezone = 'UTC' set jit = off set work_mem = '64MB' as $$
declare
  hour constant interval := '1 hour';
  day constant interval := '24 hours';
  p rollup_progress%rowtype;
  through timestamptz;
  retired timestamptz;
  size interval;
  first_window timestamptz;
  h timestamptz;
  d timestamptz;
  written bigint;
begin
  perform tidemark_require_read_committed_v1();
  select * into p from rollup_progress for update skip locked;
  if not found then
    return jsonb_build_object('state', 'busy');
  end if;

  select min(hour_start) into h from web_traffic_hour where dimension = 'country';
  d := date_bin(day, h, 'epoch');
  if d + day <= p.hours_through then
    insert into web_traffic_day (day_start, dimension, key_id, num_hits, bot_hits)
      select d, dimension, key_id, sum(num_hits), sum(bot_hits) from web_traffic_hour
      where hour_start >= d and hour_start < d + day
      group by dimension, key_id order by dimension, key_id;
    get diagnostics written = row_count;
    insert into web_traffic_day_hours (key_id, day_start, dimension, hits_before, bot_hits_before)
      select key_id, d, dimension, array_agg(hits_before order by n), array_agg(bot_hits_before order by n)
      from (
        select k.key_id, k.dimension, n,
               coalesce(sum(t.num_hits) over past, 0)::bigint as hits_before, coalesce(sum(t.bot_hits) over past, 0)::bigint as bot_hits_before
        from (select distinct key_id, dimension from web_traffic_hour where hour_start >= d and hour_start < d + day) k
        cross join generate_series(0, 24) n
        left join web_traffic_hour t on t.key_id = k.key_id and t.hour_start = d + n * hour and n < 24
        window past as (partition by k.key_id order by n rows between unbounded preceding and 1 preceding)
      ) running
      group by key_id, dimension order by dimension, key_id;
    delete from web_traffic_hour where hour_start >= d and hour_start < d + day;
    update rollup_progress set days_through = d + day;
    return jsonb_build_object('state', 'day', 'day', to_char(d, 'YYYY-MM-DD'), 'rows', written);
  end if;

  select closed_through, window_size_ms * interval '1 millisecond', least(retired_through, p.days_through) into through, size, retired from stream;
  if retired > p.forgotten_through then
    delete from web_traffic_day where dimension in ('host', 'referrer') and day_start < retired;
    get diagnostics written = row_count;
    delete from web_traffic_day_hours where dimension in ('host', 'referrer') and day_start < retired;
    delete from web_traffic_key k where k.dimension in ('host', 'referrer')
      and not exists (select from web_traffic_day_hours d where d.key_id = k.key_id) and not exists (select from web_traffic_hour t where t.key_id = k.key_id);
    update rollup_progress set forgotten_through = retired;
    return jsonb_build_object('state', 'forgotten', 'rows', written);
  end if;
  select min(window_start) into first_window from web_traffic_window where window_start >= p.hours_through;
  h := date_bin(hour, first_window, 'epoch');
  if first_window is null or date_bin(size, h + hour - interval '1 microsecond', 'epoch') + size > through
      or exists (select from open_delta where window_start < h + hour) then
    return jsonb_build_object('state', 'nothing');
  end if;
  -- Pages that were filled since the last summary would be read again for each hour.
  perform brin_summarize_new_values(i.inhrelid) from pg_inherits i join pg_index x on x.indexrelid = i.inhrelid
    where i.inhparent = to_regclass('aggregated_web_traffic_time') and x.indrelid = to_regclass('aggregated_web_traffic_' || to_char(h, 'YYYYMMDD'));
  with grouped as (
    select case when grouping(a.country_code) = 0 then 'place' when grouping(a.host) = 0 then 'host' else 'referrer' end as dimension,
           a.host, a.referrer, a.country_code, a.region, a.city, sum(a.num_hits) as num_hits, sum(a.bot_hits) as bot_hits
    from aggregated_web_traffic a
    where a.window_start >= h and a.window_start < h + hour
    group by grouping sets ((a.country_code, a.region, a.city), (a.host), (a.referrer))
  ), keyed as (
    select dimension, country_code || E'\x1e' || region || E'\x1e' || city as key, num_hits, bot_hits from grouped where dimension = 'place'
    union all
    select 'country', country_code, sum(num_hits), sum(bot_hits) from grouped where dimension = 'place' group by country_code
    union all
    select dimension, case when row_number() over (partition by dimension order by num_hits desc, coalesce(host, referrer)) > p_max_keys
             then '(other)' else coalesce(host, referrer) end, num_hits, bot_hits
    from grouped where dimension <> 'place'
  ), counted as materialized (
    select c.dimension, c.key, c.num_hits, c.bot_hits,
           (select k.key_id from web_traffic_key k where k.dimension = c.dimension and md5(k.key) = md5(c.key)) as key_id
    from (select dimension, key, sum(num_hits) as num_hits, sum(bot_hits) as bot_hits from keyed group by dimension, key) c
  ), made as (
    insert into web_traffic_key (dimension, key) select dimension, key from counted where key_id is null order by dimension, key
    returning key_id, dimension, key
  )
  insert into web_traffic_hour (hour_start, dimension, key_id, num_hits, bot_hits)
    select h, c.dimension, coalesce(c.key_id, m.key_id), c.num_hits, c.bot_hits
    from counted c left join made m on m.dimension = c.dimension and m.key = c.key
    order by 2, 3;
  get diagnostics written = row_count;
  update rollup_progress set hours_through = h + hour;
  return jsonb_build_object('state', 'hour', 'hour_start', (extract(epoch from h) * 1000)::bigint, 'rows', written);
end $$;
comment on function tidemark_roll_up_v1(bigint) is 'Rolls up the oldest hour whose windows are all closed, or packs the oldest day whose hours all are, once. Call it again until it returns nothing.';

-- The instant at which a local day begins. "At time zone" takes the second of two midnights where clocks go back over one; the day begins
-- with the first. A midnight that does not exist is the instant of the jump.
create function tidemark_day_start_v1(p_day date, p_tz text) returns timestamptz language sql stable parallel safe
return (
  select c.midnight - case when c.just_before >= p_day::timestamp then c.just_before - p_day::timestamp + interval '1 microsecond' else interval '0' end
  from (select p_day::timestamp at time zone p_tz as midnight,
               ((p_day::timestamp at time zone p_tz) - interval '1 microsecond') at time zone p_tz as just_before) c
);
comment on function tidemark_day_start_v1(date, text) is 'First instant of a local day; days of 23 and 25 hours come out right.';

-- Local days of a report, both ends inclusive. Unknown: records are missing for good, or the rows that an exact answer needs were retired
-- (sums by place outlive them, but know neither a host or referrer nor a part of an hour).
create function tidemark_report_days_v1(p_from date, p_to date, p_tz text, p_raw boolean)
returns table (day date, day_start timestamptz, day_end timestamptz, is_unknown boolean) language plpgsql stable rows 100
set timezone = 'UTC' as $$
begin
  -- Six years: a report of three beside the three before it, and the days around them.
  if p_from is null or p_to is null or p_to < p_from or p_to - p_from > 2400 then
    raise exception 'the range % to % is not 1 to 2401 days', p_from, p_to using errcode = '22023';
  end if;
  return query
    select t.day, t.a, t.b,
           exists (select from data_gap g where g.from_time < t.b and g.to_time >= t.a)
           or (t.a < (select s.retired_through from stream s)
               and (p_raw or t.a <> date_trunc('hour', t.a) or t.b <> date_trunc('hour', t.b)))
    from (select x.day, tidemark_day_start_v1(x.day, p_tz) as a, tidemark_day_start_v1(x.day + 1, p_tz) as b
          from (select p_from + n as day from generate_series(0, p_to - p_from) n) x) t
    order by 1;
end $$;
comment on function tidemark_report_days_v1(date, date, text, boolean) is 'The local days from p_from to p_to, both inclusive, as instants, and which of them are unknown. p_raw: the report needs what retention drops.';

create function tidemark_known_time_v1(p_from date, p_to date, p_tz text, p_raw boolean) returns tstzmultirange language sql stable
return coalesce((select range_agg(tstzrange(d.day_start, d.day_end)) from tidemark_report_days_v1(p_from, p_to, p_tz, p_raw) d where not d.is_unknown), '{}');
comment on function tidemark_known_time_v1(date, date, text, boolean) is 'The time of the known days of a range, neighbours joined.';

-- Places of one open window, summed chunk by chunk before a text is touched: far cheaper than all its rows.
create function tidemark_open_places_v1(p_window_start timestamptz)
returns table (country_code text, region text, city text, num_hits bigint, bot_hits bigint) language sql stable rows 2000
begin atomic
  select split_part(p.value, E'\x1e', 1), split_part(p.value, E'\x1e', 2), split_part(p.value, E'\x1e', 3), sum(k.hits)::bigint, sum(k.bot_hits)::bigint
  from open_delta d
  cross join lateral (
    select u.place_ix, sum(u.hits) as hits, sum(u.bot_hits) as bot_hits
    from unnest(d.place_ix, d.key_hits, d.key_bot_hits) as u(place_ix, hits, bot_hits) group by u.place_ix
  ) k
  join lateral tidemark_texts_v1(d.places) p on p.ix = k.place_ix
  where d.window_start = p_window_start
  group by p.value;
end;
comment on function tidemark_open_places_v1(timestamptz) is 'Hits per place of one open window.';

-- A function of its own, since a plan made for these very times reads one day's pages by its index; joined to a list of times it reads all days.
create function tidemark_raw_rows_v1(p_start timestamptz, p_end timestamptz, p_host text, p_referrer text)
returns table (host text, referrer text, country_code text, region text, city text, num_hits bigint, bot_hits bigint)
language plpgsql stable rows 1000
set jit = off set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
begin
  return query
    select t.host, t.referrer, t.country_code, t.region, t.city, t.num_hits, t.bot_hits from aggregated_web_traffic t
    where t.window_start >= p_start and t.window_start < p_end
      and (p_host is null or t.host = p_host) and (p_referrer is null or t.referrer = p_referrer);
end $$;
comment on function tidemark_raw_rows_v1(timestamptz, timestamptz, text, text) is 'Rows of closed windows that start in [p_start, p_end), of one host or referrer where given.';

-- The one reader of counts. Buckets are given as intervals [p_start, p_end) with the bucket's number (several intervals may share one);
-- a window belongs to the interval in which it starts. Each interval is cut into whole packed days, hours of packed days, hours, and the
-- rest, which raw and open rows answer: also everything with a filter on host or referrer, which no roll-up has beside a place.
-- The cuts are arrays, not subqueries: only then does the planner know how few they are and reads by index.
create function tidemark_hits_v1(p_dimension text, p_bucket integer[], p_start timestamptz[], p_end timestamptz[], p_keys text[],
  p_host text, p_referrer text, p_late boolean)
returns table (bucket integer, key text, num_hits bigint, bot_hits bigint) language plpgsql stable rows 10000
set timezone = 'UTC' set jit = off set work_mem = '64MB' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  hour constant interval := '1 hour';
  day constant interval := '24 hours';
  moment constant interval := '1 microsecond';
  filtered constant boolean := p_host is not null or p_referrer is not null;
  p rollup_progress%rowtype;
  ids integer[];
  day_bucket integer[]; day_from timestamptz[]; day_to timestamptz[];
  edge_bucket integer[]; edge_day timestamptz[]; edge_from integer[]; edge_to integer[];
  hour_bucket integer[]; hour_from timestamptz[]; hour_to timestamptz[];
  rest_bucket integer[]; rest_from timestamptz[]; rest_to timestamptz[];
begin
  if not filtered then
    select * into p from rollup_progress;
  end if;
  p.hours_through := coalesce(p.hours_through, '-infinity');
  p.days_through := coalesce(p.days_through, '-infinity');
  if p_keys is not null then
    select coalesce(array_agg(k.key_id), '{}') into ids from unnest(p_keys) given
      join web_traffic_key k on k.dimension = p_dimension and md5(k.key) = md5(given);
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
      join web_traffic_day x on x.dimension = p_dimension and x.day_start >= t.a and x.day_start < t.b
      where ids is null or x.key_id = any(ids)
      union all
      select t.bucket, x.key_id, x.hits_before[t.h_to + 1] - x.hits_before[t.h_from + 1],
             x.bot_hits_before[t.h_to + 1] - x.bot_hits_before[t.h_from + 1]
      from unnest(edge_bucket, edge_day, edge_from, edge_to) as t(bucket, utc_day, h_from, h_to)
      join web_traffic_day_hours x on x.dimension = p_dimension and x.day_start = t.utc_day
      where x.dimension = p_dimension and x.day_start = any(edge_day) and (ids is null or x.key_id = any(ids))
      union all
      select t.bucket, x.key_id, x.num_hits, x.bot_hits
      from unnest(hour_bucket, hour_from, hour_to) as t(bucket, a, b)
      join web_traffic_hour x on x.dimension = p_dimension and x.hour_start >= t.a and x.hour_start < t.b
      where ids is null or x.key_id = any(ids)
    ) t
    group by t.bucket, t.key_id
  ), raw as (
    select t.bucket, x.host, x.referrer, x.country_code, x.region, x.city, x.num_hits, x.bot_hits
    from unnest(rest_bucket, rest_from, rest_to) as t(bucket, a, b)
    cross join lateral tidemark_raw_rows_v1(t.a, t.b, p_host, p_referrer) x
    union all
    select t.bucket, x.host, x.referrer, x.country_code, x.region, x.city, x.num_hits, x.bot_hits
    from unnest(p_bucket, p_start, p_end) as t(bucket, a, b)
    join late_web_traffic x on x.window_start >= t.a and x.window_start < t.b
    where p_late and (p_host is null or x.host = p_host) and (p_referrer is null or x.referrer = p_referrer)
    union all
    select t.bucket, null, null, o.country_code, o.region, o.city, o.num_hits, o.bot_hits
    from (select distinct d.window_start from open_delta d) w
    join unnest(rest_bucket, rest_from, rest_to) as t(bucket, a, b) on w.window_start >= t.a and w.window_start < t.b
    cross join lateral tidemark_open_places_v1(w.window_start) o
    where not filtered and p_dimension in ('place', 'country')
    union all
    select t.bucket, o.host, o.referrer, o.country_code, o.region, o.city, o.num_hits, o.bot_hits
    from (select distinct d.window_start from open_delta d) w
    join unnest(rest_bucket, rest_from, rest_to) as t(bucket, a, b) on w.window_start >= t.a and w.window_start < t.b
    cross join lateral tidemark_open_rows_v1(w.window_start) o
    where (filtered or p_dimension not in ('place', 'country'))
      and (p_host is null or o.host = p_host) and (p_referrer is null or o.referrer = p_referrer)
  ), recent as (
    select t.bucket, t.key, sum(t.num_hits) as num_hits, sum(t.bot_hits) as bot_hits
    from (
      select x.bucket, case p_dimension when 'place' then x.country_code || E'\x1e' || x.region || E'\x1e' || x.city
          when 'country' then x.country_code when 'host' then x.host else x.referrer end as key, x.num_hits, x.bot_hits
      from raw x
    ) t
    where p_keys is null or t.key = any(p_keys)
    group by t.bucket, t.key
  )
  select t.bucket, t.key, sum(t.num_hits)::bigint, sum(t.bot_hits)::bigint
  from (
    select g.bucket, k.key, g.num_hits, g.bot_hits from gone_by g join web_traffic_key k on k.key_id = g.key_id
    union all
    select r.bucket, r.key, r.num_hits, r.bot_hits from recent r
  ) t
  group by t.bucket, t.key
  having sum(t.num_hits) > 0;
end $$;
comment on function tidemark_hits_v1(text, integer[], timestamptz[], timestamptz[], text[], text, text, boolean) is
  'Hits per bucket and key of one dimension (place, country, host, referrer) over intervals of time. p_keys null: all keys; p_host and p_referrer null: no filter; p_late: with late records.';

create function contribution_report(p_from date, p_to date, p_tz text default 'UTC', p_place text default 'city', p_host text default null,
  p_referrer text default null, p_traffic text default 'all', p_late text default 'exclude', p_compare text default 'previous_day',
  p_order text default 'count_desc', p_limit integer default null, p_after jsonb default null)
returns table (rank bigint, country_code text, region text, city text, num_hits bigint, country_hits bigint, percentage_contribution numeric,
  previous_day_contribution bigint, next_day_contribution bigint, forecasted_change bigint, comparison_hits bigint,
  total_hits bigint, total_previous_day bigint, total_next_day bigint, total_comparison bigint, total_rows bigint, is_final boolean)
language plpgsql stable rows 1000
set timezone = 'UTC' set jit = off set work_mem = '64MB' as $$
#variable_conflict use_column
declare
  filtered constant boolean := p_host is not null or p_referrer is not null;
  shift integer;
  numbers integer[];
  starts timestamptz[];
  ends timestamptz[];
  known boolean[];
begin
  if p_place not in ('city', 'region', 'country') or p_traffic not in ('all', 'human', 'bot') or p_late not in ('include', 'exclude')
      or p_compare not in ('previous_day', 'same_weekday', 'previous_period') or p_order not in ('count_desc', 'count_asc', 'place') then
    raise exception 'place is city, region or country; traffic all, human or bot; late include or exclude; compare previous_day, same_weekday or previous_period; order count_desc, count_asc or place'
      using errcode = '22023';
  end if;
  shift := case p_compare when 'same_weekday' then ((p_to - p_from) / 7 + 1) * 7 else p_to - p_from + 1 end;
  -- Buckets: 1 the range, 2 the day before, 3 the day after (only once it is closed), 4 the period that is compared.
  select array_agg(t.bucket), array_agg(lower(i)), array_agg(upper(i)) into numbers, starts, ends
  from (
    select 1 as bucket, tidemark_known_time_v1(p_from, p_to, p_tz, filtered) as time
    union all
    select 2, tidemark_known_time_v1(p_from - 1, p_from - 1, p_tz, filtered)
    union all
    select 3, tidemark_known_time_v1(p_to + 1, p_to + 1, p_tz, filtered)
      where tidemark_day_start_v1(p_to + 2, p_tz) <= (select s.closed_through from stream s)
    union all
    select 4, tidemark_known_time_v1(p_from - shift, p_to - shift, p_tz, filtered) where p_compare <> 'previous_day'
  ) t
  cross join lateral unnest(t.time) i;
  known := array[1 = any(numbers), 2 = any(numbers), 3 = any(numbers), 4 = any(numbers)];
  return query
  with hit as (
    select h.bucket, split_part(h.key, E'\x1e', 1) as country_code,
           case when p_place = 'country' then '' else split_part(h.key, E'\x1e', 2) end as region,
           case when p_place = 'city' then split_part(h.key, E'\x1e', 3) else '' end as city,
           case p_traffic when 'human' then h.num_hits - h.bot_hits when 'bot' then h.bot_hits else h.num_hits end as hits
    from tidemark_hits_v1(case when p_place = 'country' then 'country' else 'place' end, numbers, starts, ends, null,
      p_host, p_referrer, p_late = 'include') h
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
         case when p_compare = 'previous_day' then case when known[2] then coalesce(l.previous, 0)::bigint end
              when known[4] then coalesce(l.comparison, 0)::bigint end,
         w.hits::bigint, case when known[2] then coalesce(w.previous, 0)::bigint end, case when known[3] then coalesce(w.next, 0)::bigint end,
         case when p_compare = 'previous_day' then case when known[2] then coalesce(w.previous, 0)::bigint end
              when known[4] then coalesce(w.comparison, 0)::bigint end,
         l.total_rows, coalesce((select g.final_through >= tidemark_day_start_v1(p_to + 1, p_tz) from stream_progress g), false)
  from listed l cross join whole w
  where p_after is null or row(l.first_key, l.country_code collate "C", l.region collate "C", l.city collate "C")
    > row((p_after ->> 0)::numeric, p_after ->> 1, p_after ->> 2, p_after ->> 3)
  order by l.rank
  limit p_limit;
end $$;
comment on function contribution_report(date, date, text, text, text, text, text, text, text, text, integer, jsonb) is
  'The contribution report. p_from and p_to are local days of the time zone p_tz, both inclusive; further arguments by name: p_place city|region|country, p_host, p_referrer, p_traffic all|human|bot, p_late include|exclude, p_compare previous_day|same_weekday|previous_period, p_order count_desc|count_asc|place, p_limit, p_after [first sort key, country, region, city]. country_hits is the total of the row''s country, percentage_contribution is of the total of everything, previous_day_contribution is the day before p_from, next_day_contribution the day after p_to once it is closed (null before: the program forecasts it), comparison_hits the period that p_compare names. Days with a data gap are unknown: not part of any sum, null where nothing else is left. is_final: no number of the range can change any more.';

-- Counting windows by arithmetic: those that start in [a, b) are before(b) - before(a).
create function tidemark_windows_before_v1(p_time timestamptz, p_size interval) returns bigint language sql immutable parallel safe
return case when isfinite(p_time) then ceil(extract(epoch from p_time) / extract(epoch from p_size))::bigint else 0 end;
comment on function tidemark_windows_before_v1(timestamptz, interval) is 'Number of windows that start before a time, counted from the Unix epoch.';

-- Totals over time, exact in every zone without reading a row of traffic where there is no filter: closed windows keep their sums.
create function tidemark_series_v1(p_from date, p_to date, p_tz text, p_step text, p_host text default null, p_referrer text default null,
  p_raw boolean default false)
returns table (bucket_start timestamptz, bucket_end timestamptz, num_hits bigint, bot_hits bigint, late_hits bigint, late_bot_hits bigint,
  windows_expected bigint, windows_closed bigint, is_unknown boolean)
language plpgsql stable rows 1000
set timezone = 'UTC' set jit = off set work_mem = '64MB' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  filtered constant boolean := p_host is not null or p_referrer is not null;
  hour constant interval := '1 hour';
  s stream%rowtype;
  rolled timestamptz;
  size interval;
  step interval;
  a timestamptz;
  b timestamptz;
  starts timestamptz[];
  ends timestamptz[];
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
  -- Buckets start anew with each local day: after a change of half an hour, hours go on being local hours.
  select array_agg(g order by g), array_agg(least(g + step, d.day_end) order by g), min(g), max(d.day_end) into starts, ends, a, b
  from tidemark_report_days_v1(p_from, p_to, p_tz, false) d
  cross join lateral generate_series(d.day_start, d.day_end - interval '1 microsecond', step) g;
  return query
  with hit as (
    select width_bucket(w.window_start, starts) as n, w.hits as num_hits, w.bot_hits, 0::bigint as late_hits, 0::bigint as late_bot_hits
      from web_traffic_window w where not filtered and w.window_start >= greatest(a, rolled) and w.window_start < b
    union all
    -- Retired windows live on in the hours of the countries.
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
    select width_bucket(t.window_start, starts), t.num_hits, t.bot_hits, 0, 0
      from aggregated_web_traffic t where filtered and t.window_start >= a and t.window_start < b
        and (p_host is null or t.host = p_host) and (p_referrer is null or t.referrer = p_referrer)
    union all
    select width_bucket(o.window_start, starts), t.num_hits, t.bot_hits, 0, 0
      from (select distinct d.window_start from open_delta d where filtered and d.window_start >= a and d.window_start < b) o
      cross join lateral tidemark_open_rows_v1(o.window_start) t
      where (p_host is null or t.host = p_host) and (p_referrer is null or t.referrer = p_referrer)
    union all
    select width_bucket(t.window_start, starts), 0, 0, t.num_hits, t.bot_hits
      from late_web_traffic t where t.window_start >= a and t.window_start < b
        and (p_host is null or t.host = p_host) and (p_referrer is null or t.referrer = p_referrer)
  ), summed as (
    select h.n, sum(h.num_hits)::bigint as num_hits, sum(h.bot_hits)::bigint as bot_hits, sum(h.late_hits)::bigint as late_hits,
           sum(h.late_bot_hits)::bigint as late_bot_hits
    from hit h group by h.n
  )
  select t.a, t.b, coalesce(x.num_hits, 0), coalesce(x.bot_hits, 0), coalesce(x.late_hits, 0), coalesce(x.late_bot_hits, 0),
         tidemark_windows_before_v1(t.b, size) - tidemark_windows_before_v1(t.a, size),
         greatest(0, tidemark_windows_before_v1(least(t.b, s.closed_through - size + interval '1 microsecond'), size) - tidemark_windows_before_v1(t.a, size)),
         exists (select from data_gap g where g.from_time < t.b and g.to_time >= t.a) or (t.a < s.retired_through
           and (filtered or p_raw or t.a <> date_trunc('hour', t.a) or t.b <> date_trunc('hour', t.b)))
  from unnest(starts, ends) with ordinality as t(a, b, n) left join summed x on x.n = t.n
  order by t.a;
end $$;
comment on function tidemark_series_v1(date, date, text, text, text, text, boolean) is
  'Totals per window, local hour or local day (p_step) from p_from to p_to, both inclusive, late records beside them, with the windows that make up each bucket and whether it is unknown. p_raw as in tidemark_report_days_v1.';

-- What a forecast learns from: the hits of each key on each known, closed local day. Days without hits have no row.
create function tidemark_key_days_v1(p_dimension text, p_from date, p_to date, p_tz text, p_keys text[], p_host text, p_referrer text, p_late boolean)
returns table (key text, day date, num_hits bigint, bot_hits bigint) language plpgsql stable rows 5000
set timezone = 'UTC' set jit = off as $$
#variable_conflict use_column
declare
  numbers integer[];
  starts timestamptz[];
  ends timestamptz[];
begin
  select array_agg(d.day - p_from), array_agg(d.day_start), array_agg(d.day_end) into numbers, starts, ends
  from tidemark_report_days_v1(p_from, p_to, p_tz, p_host is not null or p_referrer is not null) d
  where not d.is_unknown and d.day_end <= (select s.closed_through from stream s);
  return query
    select h.key, p_from + h.bucket, h.num_hits, h.bot_hits
    from tidemark_hits_v1(p_dimension, numbers, starts, ends, p_keys, p_host, p_referrer, p_late) h;
end $$;
comment on function tidemark_key_days_v1(text, date, date, text, text[], text, text, boolean) is
  'Hits per key and local day, of closed and known days only. Days without hits have no row.';
