-- Why: reports must be as exact as the rows. Texts are compared as texts, not by a digest. A day is closed, then rolled up, then retired;
-- each step is one transaction that checks the previous step under the same lock. A closed window has a digest, so that an edited row is
-- found. Dead letters keep exact positions. Every table with updates or deletes has a replica identity.
-- Programs of the previous version keep calling the functions that they know.

-- ---- identity

-- The constraint compares whole texts of any length: a hash index holds only a hash and checks the row. The old unique index is over a
-- digest, which two texts may share; without uniqueness it only finds candidates for the functions of the previous version.
drop index web_traffic_key_text;
create index web_traffic_key_candidate on web_traffic_key (dimension, md5(key));
alter table web_traffic_key add constraint web_traffic_key_text exclude using hash ((dimension || E'\x1f' || key) with =);

-- ---- replica identity: a publication of all tables refuses deletes from a table without one

alter table late_web_traffic replica identity full;
alter table web_traffic_hour replica identity full;
alter table web_traffic_day replica identity full;
alter table aggregated_web_traffic replica identity full;

-- A partition does not inherit the replica identity of its parent. Day tables of the previous version get theirs here, a hundred per call,
-- and only if no other transaction uses them at the moment.
create function tidemark_identify_v1() returns integer language plpgsql volatile as $$
declare
  child regclass;
  done integer := 0;
begin
  for child in
    select c.oid from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'aggregated_web_traffic'::regclass and c.relreplident = 'd'
      and not exists (select from pg_index x where x.indrelid = c.oid and x.indisprimary)
    order by c.relname desc limit 100
  loop
    begin
      execute format('lock table %s in access exclusive mode nowait', child);
      execute format('alter table %s replica identity full', child);
      done := done + 1;
    exception when lock_not_available then
      null;
    end;
  end loop;
  return done;
end $$;
comment on function tidemark_identify_v1() is 'Gives day tables a replica identity where it is missing, without waiting for locks. Returns how many.';

-- The new table also gets columns that an operator has added, with defaults, expressions and checks; ATTACH refuses a table without them.
create function tidemark_ensure_day_v2(p_day date) returns void language plpgsql volatile as $$
declare
  child text := 'aggregated_web_traffic_' || to_char(p_day, 'YYYYMMDD');
  from_time timestamptz := p_day::timestamp at time zone 'UTC';
  to_time timestamptz := (p_day + 1)::timestamp at time zone 'UTC';
begin
  perform pg_advisory_xact_lock(hashtext('tidemark'), hashtext(current_schema() || '.' || child));
  -- Reads the catalog, because to_regclass may answer by what this session saw before it waited for the lock.
  if exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
             where i.inhparent = 'aggregated_web_traffic'::regclass and c.relname = child and not i.inhdetachpending) then
    return;
  end if;
  if not exists (select from pg_class c where c.relname = child and c.relnamespace = current_schema()::regnamespace) then
    execute format('create table %I (like aggregated_web_traffic including comments including storage including defaults including generated including constraints)', child);
    execute format('alter table %I replica identity full', child);
    -- With the bounds as a constraint, ATTACH does not scan the table.
    execute format('alter table %I add constraint %I check (window_start >= %L and window_start < %L)', child, child || '_day', from_time, to_time);
  end if;
  execute format('alter table aggregated_web_traffic attach partition %I for values from (%L) to (%L)', child, from_time, to_time);
end $$;
comment on function tidemark_ensure_day_v2(date) is 'Creates and attaches the partition of aggregated_web_traffic for one UTC day. Idempotent.';

-- ---- closing, with a digest of what it wrote

alter table web_traffic_window add column digest bytea;
comment on column web_traffic_window.digest is 'SHA-256 over the rows as they were written, see tidemark_digest_v1; null for windows that an older version closed.';

create function tidemark_micros_v1(p_time timestamptz) returns text language sql stable parallel safe
return case when isfinite(p_time) then ((date_part('epoch', p_time) * 1000000)::bigint)::text else 'infinite' end;
comment on function tidemark_micros_v1(timestamptz) is 'A time as microseconds since the Unix epoch, as text.';

-- The digest of a window is SHA-256 over its rows in one canonical form, so that their order in the table does not matter. Each distinct host,
-- referrer and place is written once, in the order of its bytes (collation "C"), and has its place in that order as number; a row is then its
-- three numbers and its hits, and rows are sorted by these. No setting, zone or version of the server decides any of it, and a closing has
-- the numbers at hand. Hashing every row by itself and sorting the hashes took five times as long.
-- Texts and rows are hashed in blocks, so that no value grows with a window beyond what PostgreSQL holds (1 GiB): a block of texts is at most
-- 100,000 times KEY_BYTES_MAX, one of rows at most 1,000,000 lines of 66 bytes. A place is joined by U+001E, which no stored text holds.
create function tidemark_digest_line_v1(p_host integer, p_referrer integer, p_place integer, p_num_hits bigint, p_bot_hits bigint) returns text
language sql stable parallel safe
return concat_ws(',', p_host, p_referrer, p_place, p_num_hits, p_bot_hits);
comment on function tidemark_digest_line_v1(integer, integer, integer, bigint, bigint) is 'One row of a closed window in the form that is hashed: numbers of its host, referrer and place, then its hits.';

create function tidemark_digest_text_v1(p_text text) returns text language sql stable parallel safe
return octet_length(p_text) || ':' || p_text;
comment on function tidemark_digest_text_v1(text) is 'One text of a closed window in the form that is hashed: its bytes counted, then itself.';

create function tidemark_digest_v1(p_start timestamptz, p_first_end timestamptz, p_last_end timestamptz, p_rows bigint, p_texts text,
  p_text_blocks bytea, p_row_blocks bytea) returns bytea language sql stable parallel safe
return sha256(convert_to(concat_ws(',', tidemark_micros_v1(p_start), tidemark_micros_v1(p_first_end), tidemark_micros_v1(p_last_end),
  p_rows, p_texts) || E'\n', 'UTF8') || p_text_blocks || p_row_blocks);
comment on function tidemark_digest_v1(timestamptz, timestamptz, timestamptz, bigint, text, bytea, bytea) is
  'Digest of a closed window: SHA-256 of its start, the lowest and the highest end of its rows, their number, and of each block of hosts (1), referrers (2) and places (3) the number of its last text; then the SHA-256 of each of these blocks and of each block of rows.';

create function tidemark_digested_v1(p_from timestamptz, p_to timestamptz)
returns table (window_start timestamptz, row_count bigint, hits bigint, bot_hits bigint, digest bytea) language sql stable rows 12
set enable_nestloop = off set enable_mergejoin = off set jit = off set work_mem = '64MB'
begin atomic
  with found as materialized (
    select t.window_start as w, t.window_end, t.host, t.referrer, t.country_code || E'\x1e' || t.region || E'\x1e' || t.city as place, t.num_hits, t.bot_hits
    from aggregated_web_traffic t where t.window_start >= p_from and t.window_start < p_to
  ),
  number as materialized (
    select d.*, row_number() over (partition by d.w, d.kind order by d.value collate "C")::integer as n
    from (select distinct f.w, l.kind, l.value from found f
          cross join lateral (values (1, f.host), (2, f.referrer), (3, f.place)) as l(kind, value)) d
  ),
  numbered as (
    select f.w, h.n as host, r.n as referrer, p.n as place, f.num_hits, f.bot_hits,
           row_number() over (partition by f.w order by h.n, r.n, p.n, f.num_hits, f.bot_hits) as n
    from found f join number h on (h.w, h.kind, h.value) = (f.w, 1, f.host) join number r on (r.w, r.kind, r.value) = (f.w, 2, f.referrer)
    join number p on (p.w, p.kind, p.value) = (f.w, 3, f.place)
  ),
  row_block as (
    select k.w, (k.n - 1) / 1000000 as block,
           sha256(convert_to(string_agg(tidemark_digest_line_v1(k.host, k.referrer, k.place, k.num_hits, k.bot_hits), E'\n' order by k.n), 'UTF8')) as digest
    from numbered k group by 1, 2
  ),
  text_block as (
    select t.w, t.kind, (t.n - 1) / 100000 as block, max(t.n) as texts,
           sha256(convert_to(string_agg(tidemark_digest_text_v1(t.value), '' order by t.n), 'UTF8')) as digest
    from number t group by 1, 2, 3
  )
  select f.w, f.row_count, f.hits, f.bot_hits, tidemark_digest_v1(f.w, f.first_end, f.last_end, f.row_count, t.counts, t.digests, k.digests)
  from (select w, count(*) as row_count, sum(num_hits)::bigint as hits, sum(bot_hits)::bigint as bot_hits,
               min(window_end) as first_end, max(window_end) as last_end from found group by w) f
  join (select w, string_agg(concat_ws(',', kind, texts), ',' order by kind, block) as counts,
               string_agg(digest, ''::bytea order by kind, block) as digests from text_block group by w) t using (w)
  join (select w, string_agg(digest, ''::bytea order by block) as digests from row_block group by w) k using (w);
end;
comment on function tidemark_digested_v1(timestamptz, timestamptz) is 'As tidemark_found_windows_v1, in one pass over the rows: for an hour or so.';

-- Hour by hour, so that texts and rows of one hour at a time are sorted.
create function tidemark_found_windows_v1(p_from timestamptz, p_to timestamptz)
returns table (window_start timestamptz, row_count bigint, hits bigint, bot_hits bigint, digest bytea) language sql stable rows 300
set jit = off
begin atomic
  select f.*
  from (select distinct date_bin('1 hour', t.window_start, 'epoch') as hour
        from aggregated_web_traffic t where t.window_start >= p_from and t.window_start < p_to) h
  cross join lateral tidemark_digested_v1(greatest(h.hour, p_from), least(h.hour + interval '1 hour', p_to)) f;
end;
comment on function tidemark_found_windows_v1(timestamptz, timestamptz) is 'What the rows of each closed window that starts in [p_from, p_to) add up to now, and their digest.';

-- As tidemark_close_v1, and stores the digest of the rows: made beside them from the same numbers where they fit one block, else read from
-- the table. The statement below is that of tidemark_merged_v1 with ordered numbers.
create function tidemark_close_v2(p_instance text, p_max_keys bigint, p_max_bytes bigint default 268435456) returns jsonb language plpgsql volatile
set enable_nestloop = off set enable_mergejoin = off set enable_sort = off set plan_cache_mode = force_generic_plan set jit = off
set work_mem = '64MB' as $$
declare
  s stream%rowtype;
  size interval;
  through timestamptz;
  w timestamptz;
  chunks bigint;
  -- Of one row: its longest host and referrer, and what is left of it. An upper bound for every row of the window.
  row_bytes bigint := 4096 + 64;
  expected_hits bigint;
  expected_bots bigint;
  keys bigint;
  written bigint;
  written_hits bigint;
  written_bots bigint;
  folded bigint := 0;
  window_digest bytea;
begin
  perform tidemark_require_read_committed_v1();
  select * into s from stream for update skip locked;
  if not found then
    return jsonb_build_object('state', case when exists (select from stream) then 'busy' else 'nothing' end);
  end if;
  size := s.window_size_ms * interval '1 millisecond';
  select min(watermark) into through from stream_partition where not retired;
  through := coalesce(through, '-infinity');
  select min(window_start) into w from open_delta;
  if through > s.closed_through and (s.closed_through = '-infinity'
      or date_bin(size, through, 'epoch') > date_bin(size, s.closed_through, 'epoch')) then
    update stream set closed_through = through;
  end if;
  if w is null or w + size > through then
    return jsonb_build_object('state', 'nothing', 'open_from', (extract(epoch from w) * 1000)::bigint,
      'chunks', (select max(c.n) from (select count(*) as n from open_delta group by window_start) c));
  end if;
  if to_regclass('aggregated_web_traffic_' || to_char(w at time zone 'UTC', 'YYYYMMDD')) is null then
    return jsonb_build_object('state', 'day_missing', 'day', to_char(w at time zone 'UTC', 'YYYY-MM-DD'));
  end if;

  select count(*), sum(d.hits), sum(d.bot_hits), sum(d.keys) into chunks, expected_hits, expected_bots, keys from open_delta d where d.window_start = w;
  if keys * row_bytes > p_max_bytes then
    select 64 + sum(t.longest) into row_bytes from (
      select max(octet_length(h.value)) as longest from open_delta d cross join lateral tidemark_texts_v1(d.hosts) h where d.window_start = w
      union all
      select max(octet_length(r.value)) from open_delta d cross join lateral tidemark_texts_v1(d.referrers) r where d.window_start = w
    ) t;
  end if;
  if keys <= p_max_keys and keys * row_bytes <= p_max_bytes then
    with chunk as materialized (select d.* from open_delta d where d.window_start = w),
    -- Without the empty text behind the last terminator, which no key has.
    text as materialized (
      select c.id, l.kind, t.ix, t.value from chunk c
      cross join lateral (values (1, c.hosts, octet_length(c.hosts) - octet_length(replace(c.hosts, E'\x1f', ''))),
        (2, c.referrers, octet_length(c.referrers) - octet_length(replace(c.referrers, E'\x1f', ''))),
        (3, c.places, octet_length(c.places) - octet_length(replace(c.places, E'\x1f', '')))) as l(kind, list, texts)
      cross join lateral tidemark_texts_v1(l.list) t where t.ix <= l.texts
    ),
    number as materialized (
      select d.kind, d.value, row_number() over (partition by d.kind order by d.value collate "C")::integer as n from (select distinct t.kind, t.value from text t) d
    ),
    map as materialized (select t.id, t.kind, array_agg(d.n order by t.ix) as n from text t join number d using (kind, value) group by t.id, t.kind),
    -- The series is one row, of which the planner expects a thousand: else it takes the keys for few, and hashes them in place of the texts.
    mapped as materialized (
      select c.host_ix, c.referrer_ix, c.place_ix, c.key_hits, c.key_bot_hits, h.n as host_map, r.n as referrer_map, p.n as place_map
      from chunk c join map h on h.id = c.id and h.kind = 1 join map r on r.id = c.id and r.kind = 2 join map p on p.id = c.id and p.kind = 3
      cross join generate_series(1, (select 1))
    ),
    part as not materialized (
      select m.host_map[k.host_ix] as host, m.referrer_map[k.referrer_ix] as referrer, m.place_map[k.place_ix] as place, k.hits, k.bot_hits
      from mapped m
      cross join lateral unnest(m.host_ix, m.referrer_ix, m.place_ix, m.key_hits, m.key_bot_hits) as k(host_ix, referrer_ix, place_ix, hits, bot_hits)
    ),
    -- The keys of one chunk are different already.
    key as materialized (
      select host, referrer, place, sum(hits)::bigint as num_hits, sum(bot_hits)::bigint as bot_hits from part where chunks > 1 group by 1, 2, 3
      union all
      select host, referrer, place, hits, bot_hits from part where chunks = 1
    ),
    place as materialized (
      select n, split_part(value, E'\x1e', 1) as country_code, split_part(value, E'\x1e', 2) as region, split_part(value, E'\x1e', 3) as city
      from number where kind = 3
    ),
    written_row as (
      insert into aggregated_web_traffic (window_start, window_end, host, referrer, country_code, region, city, num_hits, bot_hits)
      select w, w + size, h.value, r.value, p.country_code, p.region, p.city, k.num_hits, k.bot_hits
      from key k join number h on h.kind = 1 and h.n = k.host join number r on r.kind = 2 and r.n = k.referrer join place p on p.n = k.place
      returning num_hits, bot_hits
    ),
    text_block as (
      select t.kind, (t.n - 1) / 100000 as block, max(t.n) as texts,
             sha256(convert_to(string_agg(tidemark_digest_text_v1(t.value), '' order by t.n), 'UTF8')) as digest
      from number t group by 1, 2
    ),
    row_block as (
      select sha256(convert_to(string_agg(tidemark_digest_line_v1(k.host, k.referrer, k.place, k.num_hits, k.bot_hits), E'\n'), 'UTF8')) as digest
      from (select * from key order by ((host::bigint << 20 | referrer) << 20) | place) k
      where keys <= 1000000
    )
    select x.written, x.hits, x.bot_hits, tidemark_digest_v1(w, w + size, w + size, x.written, t.counts, t.digests, k.digest)
      into written, written_hits, written_bots, window_digest
      from (select count(*) as written, sum(r.num_hits) as hits, sum(r.bot_hits) as bot_hits from written_row r) x
      cross join (select string_agg(concat_ws(',', b.kind, b.texts), ',' order by b.kind, b.block) as counts,
                         string_agg(b.digest, ''::bytea order by b.kind, b.block) as digests from text_block b) t
      cross join row_block k;
  else
    -- Beyond the keys or the bytes allowed, the smallest keys (hits descending, then key) fold into one exact row.
    with ranked as (
      select o.*, row_number() over by_hits as n,
             sum(64 + octet_length(o.host) + octet_length(o.referrer)) over (by_hits rows unbounded preceding) as bytes
      from tidemark_open_rows_v1(w) o
      window by_hits as (order by o.num_hits desc, o.host, o.referrer, o.country_code, o.region, o.city)
    ), folded_row as (
      select sum(num_hits) as num_hits, sum(bot_hits) as bot_hits, count(*) as folded from ranked where n >= p_max_keys or bytes > p_max_bytes
    ), written_row as (
      insert into aggregated_web_traffic (window_start, window_end, host, referrer, country_code, region, city, num_hits, bot_hits)
      select w, w + size, host, referrer, country_code, region, city, num_hits, bot_hits from ranked
        where (n < p_max_keys and bytes <= p_max_bytes) or (select f.folded from folded_row f) <= 1
      union all
      select w, w + size, '(other)', '(other)', 'unknown', '', '', num_hits, bot_hits from folded_row where folded_row.folded > 1
      returning num_hits, bot_hits
    )
    select count(*), sum(num_hits), sum(bot_hits), (select case when f.folded > 1 then f.folded else 0 end from folded_row f)
      into written, written_hits, written_bots, folded from written_row;
  end if;
  if window_digest is null then
    select f.digest into window_digest from tidemark_digested_v1(w, w + size) f;
  end if;
  if written_hits is distinct from expected_hits or written_bots is distinct from expected_bots then
    raise exception 'window % would be closed with % hits (% by bots), its deltas hold % (%)', w, written_hits, written_bots, expected_hits, expected_bots
      using errcode = 'TM004';
  end if;
  insert into web_traffic_window (window_start, window_end, row_count, hits, bot_hits, folded_keys, closed_by, digest)
    values (w, w + size, written, written_hits, written_bots, folded, p_instance, window_digest);
  delete from open_delta d where d.window_start = w;
  update stream set closed_through = greatest(closed_through, through), data_revision = data_revision + 1;
  return jsonb_build_object('state', 'closed', 'window_start', (extract(epoch from w) * 1000)::bigint, 'rows', written, 'hits', written_hits,
    'folded_keys', folded, 'chunks', chunks);
end $$;
comment on function tidemark_close_v2(text, bigint, bigint) is 'Closes the oldest window that all watermarks have passed: merges its deltas, appends its rows, once. Raises TM004 when the rows do not sum to the deltas.';

-- ---- closed, then rolled up, then retired

-- As tidemark_roll_up_v1, with texts as identity; and it packs the last day of a source that has ended.
create function tidemark_roll_up_v2(p_max_keys bigint default 1000) returns jsonb language plpgsql volatile
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

  -- Before open deltas are looked for: what is committed later belongs to a window that ends after it.
  select closed_through, window_size_ms * interval '1 millisecond', least(retired_through, p.days_through) into through, size, retired from stream;
  select min(hour_start) into h from web_traffic_hour where dimension = 'country';
  d := date_bin(day, h, 'epoch');
  -- A day is complete when its last hour is rolled up, or when no window of its rest was ever opened (a source that has ended).
  if d + day <= p.hours_through or (d + day <= through and not exists (select from open_delta where window_start < d + day)
      and not exists (select from web_traffic_window where window_start >= p.hours_through and window_start < d + day)) then
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
    update rollup_progress set days_through = d + day, hours_through = greatest(hours_through, d + day);
    return jsonb_build_object('state', 'day', 'day', to_char(d, 'YYYY-MM-DD'), 'rows', written);
  end if;

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
           (select k.key_id from web_traffic_key k where k.dimension || E'\x1f' || k.key = c.dimension || E'\x1f' || c.key) as key_id
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
comment on function tidemark_roll_up_v2(bigint) is 'Rolls up the oldest hour whose windows are all closed, or packs the oldest day whose hours all are, once. Call it again until it returns nothing.';

-- Retires the oldest UTC day before p_before: adds its closed windows to the retired sums and replaces its late rows by sums per hour and
-- place, with (retired) as host and referrer. It checks closing and roll-up under their locks, so that no day is retired that is not rolled
-- up. Lock order: rollup_progress, stream row. The caller then drops the day's table. Returns an object with a "state": busy (another
-- session is rolling up), nothing, waiting (with the day and a reason: not_closed, not_rolled_up), retired.
create function tidemark_retire_v2(p_before date) returns jsonb language plpgsql volatile
set timezone = 'UTC' as $$
declare
  hour constant interval := '1 hour';
  day constant interval := '24 hours';
  kept constant text := '(retired)';
  p rollup_progress%rowtype;
  s stream%rowtype;
  d timestamptz;
  hits_gone bigint;
  late_folded bigint;
begin
  perform tidemark_require_read_committed_v1();
  select * into p from rollup_progress for update skip locked;
  if not found then
    return jsonb_build_object('state', 'busy');
  end if;
  select * into s from stream for update;
  d := date_bin(day, least((select min(window_start) from web_traffic_window),
    (select min(window_start) from late_web_traffic where (host, referrer) <> (kept, kept))), 'epoch');
  if d is null or d >= p_before::timestamp at time zone 'UTC' then
    return jsonb_build_object('state', 'nothing');
  end if;
  if s.closed_through < d + day or exists (select from open_delta where window_start < d + day) then
    return jsonb_build_object('state', 'waiting', 'day', to_char(d, 'YYYY-MM-DD'), 'reason', 'not_closed');
  end if;
  if exists (select from web_traffic_window where window_start >= p.hours_through and window_start < d + day)
      or exists (select from web_traffic_hour where hour_start < d + day) then
    return jsonb_build_object('state', 'waiting', 'day', to_char(d, 'YYYY-MM-DD'), 'reason', 'not_rolled_up');
  end if;
  with gone as (delete from web_traffic_window where window_start < d + day returning hits)
    select coalesce(sum(hits), 0) into hits_gone from gone;
  with gone as (
    delete from late_web_traffic where window_start < d + day and (host, referrer) <> (kept, kept)
    returning window_start, country_code, region, city, num_hits, bot_hits
  ), folded as (
    insert into late_web_traffic (window_start, window_end, host, referrer, country_code, region, city, num_hits, bot_hits)
    select date_bin(hour, window_start, 'epoch'), date_bin(hour, window_start, 'epoch') + hour, kept, kept, country_code, region, city,
           sum(num_hits), sum(bot_hits)
    from gone group by 1, country_code, region, city returning num_hits
  )
  select coalesce(sum(num_hits), 0) into late_folded from folded;
  update stream set retired_hits = retired_hits + hits_gone, retired_through = greatest(retired_through, d + day), data_revision = data_revision + 1;
  return jsonb_build_object('state', 'retired', 'day', to_char(d, 'YYYY-MM-DD'), 'hits', hits_gone, 'late_hits', late_folded);
end $$;
comment on function tidemark_retire_v2(date) is 'Retires the oldest UTC day before a day, if it is rolled up; of its late rows it keeps the sums by hour and place. Call it again until it returns nothing.';

-- Drops the oldest table of a retired day. It never queues for a lock, because all readers and closings would wait behind it. It tries for at
-- most 200 ms to get the locks without waiting, and otherwise leaves the day to the next call. Only FINALIZE, which ends a DETACH …
-- CONCURRENTLY of an older version, waits itself, for 200 ms; meanwhile it holds no lock that readers of other days need.
create function tidemark_drop_retired_v1() returns jsonb language plpgsql volatile
set lock_timeout = '200ms' as $$
declare
  patience constant interval := '200 milliseconds';
  started constant timestamptz := clock_timestamp();
  through text;
  child record;
begin
  select to_char(retired_through at time zone 'UTC', 'YYYYMMDD') into through from stream where isfinite(retired_through);
  select format('%I', c.relname) as name, c.relname, i.inhrelid is not null as attached, coalesce(i.inhdetachpending, false) as pending into child
    from pg_class c left join pg_inherits i on i.inhrelid = c.oid
    where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
      and c.relname ~ '^aggregated_web_traffic_[0-9]{8}$' and right(c.relname, 8) < through
    order by pending desc, c.relname limit 1;
  if not found then
    return jsonb_build_object('state', 'nothing');
  end if;
  loop
    begin
      if child.attached and not child.pending then
        lock table aggregated_web_traffic in access exclusive mode nowait;
      end if;
      execute format('lock table %s in access exclusive mode nowait', child.name);
      if child.attached then
        execute format('alter table aggregated_web_traffic detach partition %s %s', child.name, case when child.pending then 'finalize' end);
      end if;
      execute format('drop table %s', child.name);
      return jsonb_build_object('state', 'dropped', 'table', child.relname);
    exception
    when undefined_table then
      -- Another instance was faster.
      return jsonb_build_object('state', 'dropped', 'table', child.relname);
    when lock_not_available or object_in_use then
      if clock_timestamp() - started >= patience then
        return jsonb_build_object('state', 'waiting', 'table', child.relname);
      end if;
      perform pg_sleep(0.02);
    end;
  end loop;
end $$;
comment on function tidemark_drop_retired_v1() is 'Detaches and drops the oldest table of a retired day; other sessions do not wait for it. Returns dropped, waiting (in use: try again later) or nothing.';

-- ---- first and newest event time

alter table stream_partition add column first_event_time timestamptz, add column newest_event_time timestamptz;
comment on column stream_partition.first_event_time is 'Lowest event time of a counted or late record; if an older version began the stream, the start of the first window known at the upgrade. Null before the first.';
comment on column stream_partition.newest_event_time is 'Highest event time of a counted or late record; null before the first, and while only an older version has read.';
update stream_partition set first_event_time = x.first
  from (select least((select min(window_start) from web_traffic_window), (select min(window_start) from open_delta),
      (select min(window_start) from late_web_traffic), (select min(day_start) from web_traffic_day), (select min(hour_start) from web_traffic_hour)) as first) x
  where x.first is not null;

create view stream_span as
select min(p.first_event_time) as first_event_time,
       max(greatest(p.newest_event_time, case when isfinite(p.max_window_end) then p.max_window_end - s.window_size_ms * interval '1 millisecond' end))
         as newest_event_time
from stream s cross join stream_partition p;
comment on view stream_span is 'One row: event time of the first and the newest record that was counted or late; nulls before the first.';
comment on column stream_span.first_event_time is 'Event time of the first record; for a stream that an older version began, the start of the first window known at its upgrade.';
comment on column stream_span.newest_event_time is 'Event time of the newest record; while only an older version has read, the start of its window.';

-- The first instant of a local day, as Temporal computes it: the first of two midnights, which occur if clocks go back over midnight or to
-- shortly before it; the time of the jump if clocks skip midnight. The function of the previous version took the second midnight if clocks
-- went back at 00:01.
create function tidemark_day_start_v2(p_day date, p_tz text) returns timestamptz language sql stable parallel safe
return (
  select case
    -- Clocks did not change for more than a day: there is one midnight.
    when (g.found - interval '25 hours') at time zone p_tz = g.wall - interval '25 hours'
      and (g.found - interval '3 hours') at time zone p_tz = g.wall - interval '3 hours' then g.found
    else coalesce(
      (select min(c.midnight) from (values (g.found), (g.found + (g.wall - (g.found - interval '3 hours') at time zone p_tz) - interval '3 hours'),
          (g.found + (g.wall - (g.found - interval '25 hours') at time zone p_tz) - interval '25 hours')) as c(midnight)
        where c.midnight at time zone p_tz = g.wall),
      -- Clocks skip midnight, in most cases beginning at midnight.
      case when (g.found - interval '1 microsecond') at time zone p_tz < g.wall then g.found else
        (select min(t.at) from generate_series(g.found - interval '25 hours', g.found, '1 second') as t(at) where t.at at time zone p_tz >= g.wall) end)
    end
  from (select p_day::timestamp as wall, p_day::timestamp at time zone p_tz as found) g
);
comment on function tidemark_day_start_v2(date, text) is 'First instant of a local day, also of one with two midnights or none.';

create function tidemark_report_days_v2(p_from date, p_to date, p_tz text, p_raw boolean)
returns table (day date, day_start timestamptz, day_end timestamptz, is_unknown boolean) language plpgsql stable rows 100
set timezone = 'UTC' as $$
begin
  -- Six years: a report over three years, compared with the three before, and the days around them.
  if p_from is null or p_to is null or p_to < p_from or p_to - p_from > 2400 then
    raise exception 'the range % to % is not 1 to 2401 days', p_from, p_to using errcode = '22023';
  end if;
  return query
    select t.day, t.a, t.b,
           exists (select from data_gap g where g.from_time < t.b and g.to_time >= t.a)
           -- Behind what is retired there are rows, so that only retired time has to end at a full hour.
           or (t.a < t.retired and (p_raw or t.a <> date_trunc('hour', t.a) or least(t.b, t.retired) <> date_trunc('hour', least(t.b, t.retired))))
    from (select x.day, tidemark_day_start_v2(x.day, p_tz) as a, tidemark_day_start_v2(x.day + 1, p_tz) as b,
                 coalesce((select s.retired_through from stream s), '-infinity') as retired
          from (select p_from + n as day from generate_series(0, p_to - p_from) n) x) t
    order by 1;
end $$;
comment on function tidemark_report_days_v2(date, date, text, boolean) is 'The local days from p_from to p_to, both inclusive, as instants, and which of them are unknown. p_raw: the report needs what retention drops.';

create function tidemark_known_time_v2(p_from date, p_to date, p_tz text, p_raw boolean) returns tstzmultirange language sql stable
return coalesce((select range_agg(tstzrange(d.day_start, d.day_end)) from tidemark_report_days_v2(p_from, p_to, p_tz, p_raw) d where not d.is_unknown), '{}');
comment on function tidemark_known_time_v2(date, date, text, boolean) is 'The time of the known days of a range, neighbours joined.';

-- A window belongs to the day in which it starts, and may end after that day.
create function tidemark_last_window_end_v1(p_time timestamptz) returns timestamptz language sql stable
return (select date_bin(x.size, p_time + x.size - interval '1 microsecond', 'epoch')
        from stream s cross join lateral (select s.window_size_ms * interval '1 millisecond' as size) x);
comment on function tidemark_last_window_end_v1(timestamptz) is 'End of the last window that starts before a time: with it all numbers up to that time are final.';

-- ---- dead letters with exact positions

alter table dead_letter_range add column positions int8multirange;
comment on column dead_letter_range.positions is 'Offsets of the dead letters, if they do not fill the range. Null with fewer records than offsets: merged, the range also covers other records.';

alter table dead_letter_range add column first_line bigint;
comment on column dead_letter_range.first_line is 'In a log of lines: number of the line at first_offset, from 1. Null if it is not known.';
alter table dead_letter_sample add column line bigint;
comment on column dead_letter_sample.line is 'In a log of lines: number of the line in its file, from 1. Null if it is not known.';

create view dead_letter_run as
select r.id as range_id, r.partition, r.reason, coalesce(lower(x.run), r.first_offset) as first_offset, coalesce(upper(x.run) - 1, r.last_offset) as last_offset,
       coalesce(upper(x.run) - lower(x.run), r.records) as records, x.run is null and r.records < r.last_offset - r.first_offset + 1 as is_merged, r.seen_at
from dead_letter_range r left join lateral unnest(r.positions) as x(run) on true;
comment on view dead_letter_run is 'Positions of dead letters: runs of offsets that are all dead, and merged ranges, which also cover other records.';
comment on column dead_letter_run.range_id is 'Range of dead_letter_range that holds it.';
comment on column dead_letter_run.partition is 'Partition number.';
comment on column dead_letter_run.reason is 'Named reason.';
comment on column dead_letter_run.first_offset is 'First offset, inclusive.';
comment on column dead_letter_run.last_offset is 'Last offset, inclusive.';
comment on column dead_letter_run.records is 'Dead letters between them, both inclusive.';
comment on column dead_letter_run.is_merged is 'True if other records are between them.';
comment on column dead_letter_run.seen_at is 'When the range was last extended.';

-- As tidemark_dead_letters_v1, with positions. Only ranges without gaps are extended, so that exact ones stay exact.
create function tidemark_dead_letters_v2(p_dead jsonb) returns void language plpgsql volatile as $$
begin
  insert into dead_letter_count as t (partition, reason, records)
    select x.partition, x.reason, x.records
    from jsonb_to_recordset(p_dead -> 'counts') as x(partition integer, reason text, records bigint) order by 1, 2
    on conflict (partition, reason) do update set records = t.records + excluded.records;
  with range as (
    select * from jsonb_to_recordset(p_dead -> 'ranges')
      as x(partition integer, reason text, first_offset bigint, last_offset bigint, records bigint, positions text, first_line bigint)
  ), extended as (
    update dead_letter_range t set last_offset = x.last_offset, records = t.records + x.records, seen_at = now()
    from range x
    where t.partition = x.partition and t.reason = x.reason and t.last_offset = x.first_offset - 1
      and t.records = t.last_offset - t.first_offset + 1 and x.records = x.last_offset - x.first_offset + 1
    returning x.partition, x.reason, x.first_offset
  )
  insert into dead_letter_range (partition, reason, first_offset, last_offset, records, positions, first_line)
    select partition, reason, first_offset, last_offset, records, positions::int8multirange, first_line from range x
    where not exists (select from extended e where (e.partition, e.reason, e.first_offset) = (x.partition, x.reason, x.first_offset))
    order by partition, first_offset;
  insert into dead_letter_sample (partition, record_offset, reason, payload_bytes, payload, line)
    select x.partition, x.record_offset, x.reason, x.payload_bytes, x.payload, x.line
    from (
      select s.*, row_number() over (partition by s.reason order by s.partition, s.record_offset) as n
      from jsonb_to_recordset(p_dead -> 'samples') as s(partition integer, record_offset bigint, reason text, payload_bytes integer, payload text, line bigint)
    ) x
    where x.n <= 100 - (select count(*) from dead_letter_sample d where d.reason = x.reason and d.seen_at >= date_trunc('hour', now()))
    on conflict do nothing;
end $$;
comment on function tidemark_dead_letters_v2(jsonb) is 'Stores counts, ranges with exact positions and masked samples of one commit''s dead letters.';

-- Limits the number of ranges. Beyond the newest p_kept of a partition and reason, the ranges of one hour become one: exact ones together,
-- merged ones together. An hour with more than p_runs runs becomes a merged range, and so do the oldest exact ranges when all positions take
-- more than p_bytes. The sums are made of the deleted rows, so that nothing is lost if another instance merges at the same time or a commit
-- has just extended a range. The result has the id of the newest, because ids order pages. Returns how many exact ranges were merged.
create function tidemark_merge_dead_ranges_v1(p_kept integer default 200, p_runs integer default 20000, p_bytes bigint default 33554432)
returns integer language plpgsql volatile as $$
declare
  merged integer;
begin
  with ranked as (
    select id, partition, reason, date_trunc('hour', seen_at) as hour, positions is not null or records = last_offset - first_offset + 1 as exact,
           row_number() over (partition by partition, reason order by id desc) as n from dead_letter_range
  ), grouped as (
    select id, hour, exact, count(*) over (partition by partition, reason, hour, exact) as alike from ranked where n > p_kept
  ), gone as (
    delete from dead_letter_range d using grouped g where d.id = g.id and g.alike > 1
    returning d.id, d.partition, d.reason, d.first_offset, d.last_offset, d.first_line, d.records, d.seen_at, g.hour,
      case when d.positions is null and d.records = d.last_offset - d.first_offset + 1
        then int8multirange(int8range(d.first_offset, d.last_offset, '[]')) else d.positions end as positions
  ), united as (
    select max(g.id) as id, g.partition, g.reason, min(g.first_offset) as first_offset, max(g.last_offset) as last_offset, sum(g.records) as records,
           max(g.seen_at) as seen_at, (array_agg(g.first_line order by g.first_offset))[1] as first_line,
           case when bool_and(g.positions is not null) then
             (select range_agg(r) from gone x cross join lateral unnest(x.positions) r
              where (x.partition, x.reason, x.hour) = (g.partition, g.reason, g.hour) and x.positions is not null) end as positions
    from gone g group by g.partition, g.reason, g.hour, g.positions is not null
  ), counted as (
    select u.*, (select count(*) from unnest(u.positions)) as runs from united u
  ), written as (
    insert into dead_letter_range (id, partition, reason, first_offset, last_offset, records, positions, seen_at, first_line)
    overriding system value
    select id, partition, reason, first_offset, last_offset, records, case when runs between 2 and p_runs then positions end, seen_at, first_line
    from counted
  )
  select count(*) into merged from counted where runs > p_runs;
  with sized as (
    select id, sum(pg_column_size(positions)) over (order by id desc) as bytes from dead_letter_range where positions is not null
  ), cut as (
    update dead_letter_range d set positions = null from sized s where s.id = d.id and s.bytes > p_bytes returning d.id
  )
  select merged + count(*) into merged from cut;
  return merged;
end $$;
comment on function tidemark_merge_dead_ranges_v1(integer, integer, bigint) is 'Merges older ranges of dead letters by hour; exact positions stay until p_runs runs an hour or p_bytes in all are reached.';

-- ---- commit

create function tidemark_chunk_rows_v1(p_hosts text, p_referrers text, p_places text, p_host_ix integer[], p_referrer_ix integer[],
  p_place_ix integer[], p_hits integer[], p_bot_hits integer[])
returns table (host text, referrer text, country_code text, region text, city text, num_hits bigint, bot_hits bigint)
language plpgsql stable rows 1000
set enable_nestloop = off set enable_mergejoin = off set jit = off as $$
begin
  return query
    select h.value, r.value, split_part(p.value, E'\x1e', 1), split_part(p.value, E'\x1e', 2), split_part(p.value, E'\x1e', 3), k.hits::bigint, k.bots::bigint
    from unnest(p_host_ix, p_referrer_ix, p_place_ix, p_hits, p_bot_hits) as k(host_ix, referrer_ix, place_ix, hits, bots)
    join tidemark_texts_v1(p_hosts) h on h.ix = k.host_ix
    join tidemark_texts_v1(p_referrers) r on r.ix = k.referrer_ix
    join tidemark_texts_v1(p_places) p on p.ix = k.place_ix;
end $$;
comment on function tidemark_chunk_rows_v1(text, text, text, integer[], integer[], integer[], integer[], integer[]) is 'Decodes one chunk of a commit into rows.';

-- As tidemark_commit_v1, with event times and exact positions of dead letters. Compares and moves every partition row of the delta, then
-- stores the delta. Raises TM001 and changes nothing if one row differs. Partition rows are locked in order of their number before anything
-- is written, so that two commits cannot deadlock.
create function tidemark_commit_v2(
  p_commit_id uuid, p_instance text, p_reason text, p_partitions jsonb, p_chunks jsonb,
  p_hosts text[], p_referrers text[], p_places text[],
  p_host_ix text[], p_referrer_ix text[], p_place_ix text[], p_key_hits text[], p_key_bot_hits text[],
  p_dead jsonb
) returns void language plpgsql volatile
set enable_nestloop = off set enable_mergejoin = off set jit = off as $$
declare
  moved integer;
  size interval;
begin
  perform tidemark_require_read_committed_v1();
  perform from stream_partition t join jsonb_to_recordset(p_partitions) as x(partition integer) using (partition)
    order by t.partition for update of t;
  update stream_partition t set
      commit_id = p_commit_id, next_offset = x.next_offset,
      watermark = greatest(t.watermark, tidemark_time_v1(x.watermark)),
      record_watermark = greatest(t.record_watermark, tidemark_time_v1(x.record_watermark)),
      max_window_end = greatest(t.max_window_end, tidemark_time_v1(x.max_window_end)),
      first_event_time = least(t.first_event_time, case when x.first_event_time is not null then tidemark_time_v1(x.first_event_time) end),
      newest_event_time = greatest(t.newest_event_time, case when x.newest_event_time is not null then tidemark_time_v1(x.newest_event_time) end),
      raised_at = tidemark_time_v1(x.raised_at),
      quiet_since = case when x.quiet_since is null then null else tidemark_time_v1(x.quiet_since) end,
      counted = t.counted + x.counted, late = t.late + x.late, late_dropped = t.late_dropped + x.late_dropped,
      dead = t.dead + x.dead, null_records = t.null_records + x.null_records, skipped = t.skipped + x.skipped,
      updated_at = clock_timestamp()
    from jsonb_to_recordset(p_partitions) as x(partition integer, old_commit_id uuid, old_next_offset bigint, next_offset bigint,
      watermark bigint, record_watermark bigint, max_window_end bigint, raised_at bigint, quiet_since bigint,
      counted bigint, late bigint, late_dropped bigint, dead bigint, null_records bigint, skipped bigint, first_event_time bigint, newest_event_time bigint)
    where t.partition = x.partition and t.commit_id = x.old_commit_id and t.next_offset = x.old_next_offset and not t.retired;
  get diagnostics moved = row_count;
  if moved <> jsonb_array_length(p_partitions) then
    raise exception 'fenced' using errcode = 'TM001', detail = (
      select coalesce(string_agg(x.partition::text, ',' order by x.partition), '')
      from jsonb_to_recordset(p_partitions) as x(partition integer, old_commit_id uuid, old_next_offset bigint)
      left join stream_partition t using (partition)
      where t.commit_id is distinct from p_commit_id);
  end if;

  insert into idle_advance (partition, at_offset, watermark, quiet_since, commit_id)
    select x.partition, (a ->> 0)::bigint, tidemark_time_v1((a ->> 1)::bigint), tidemark_time_v1((a ->> 2)::bigint), p_commit_id
    from jsonb_to_recordset(p_partitions) as x(partition integer, idle_advances jsonb) cross join lateral jsonb_array_elements(x.idle_advances) a
    on conflict do nothing;

  insert into open_delta (window_start, commit_id, hits, bot_hits, keys, hosts, referrers, places, host_ix, referrer_ix, place_ix, key_hits, key_bot_hits)
    select tidemark_time_v1(c.window_start), p_commit_id, c.hits, c.bot_hits, c.keys, a.hosts, a.referrers, a.places,
           a.host_ix::integer[], a.referrer_ix::integer[], a.place_ix::integer[], a.key_hits::integer[], a.key_bot_hits::integer[]
    from unnest(p_hosts, p_referrers, p_places, p_host_ix, p_referrer_ix, p_place_ix, p_key_hits, p_key_bot_hits)
      with ordinality as a(hosts, referrers, places, host_ix, referrer_ix, place_ix, key_hits, key_bot_hits, n)
    join jsonb_to_recordset(p_chunks) as c(n bigint, late boolean, window_start bigint, hits bigint, bot_hits bigint, keys integer) using (n)
    where not c.late;

  if p_chunks @> '[{"late": true}]' then
    select window_size_ms * interval '1 millisecond' into strict size from stream;
    insert into late_web_traffic (window_start, window_end, host, referrer, country_code, region, city, num_hits, bot_hits)
      select tidemark_time_v1(c.window_start), tidemark_time_v1(c.window_start) + size, r.host, r.referrer, r.country_code, r.region, r.city, r.num_hits, r.bot_hits
      from unnest(p_hosts, p_referrers, p_places, p_host_ix, p_referrer_ix, p_place_ix, p_key_hits, p_key_bot_hits)
        with ordinality as a(hosts, referrers, places, host_ix, referrer_ix, place_ix, key_hits, key_bot_hits, n)
      join jsonb_to_recordset(p_chunks) as c(n bigint, late boolean, window_start bigint) using (n)
      cross join lateral tidemark_chunk_rows_v1(a.hosts, a.referrers, a.places, a.host_ix::integer[], a.referrer_ix::integer[], a.place_ix::integer[],
        a.key_hits::integer[], a.key_bot_hits::integer[]) r
      where c.late;
  end if;

  if p_dead is not null then
    perform tidemark_dead_letters_v2(p_dead);
  end if;

  insert into commit_history (commit_id, instance, reason, duration_ms, counted, late, dead, null_records, skipped, keys, windows, partitions)
    select p_commit_id, p_instance, p_reason, extract(epoch from clock_timestamp() - statement_timestamp()) * 1000,
           sum(x.counted), sum(x.late), sum(x.dead), sum(x.null_records), sum(x.skipped),
           coalesce((select sum((c ->> 'keys')::bigint) from jsonb_array_elements(p_chunks) c), 0), jsonb_array_length(p_chunks),
           jsonb_agg(jsonb_build_object('partition', x.partition, 'from', x.old_next_offset, 'to', x.next_offset, 'watermark', x.watermark,
             'quiet', x.quiet_since is not null) order by x.partition)
    from jsonb_to_recordset(p_partitions) as x(partition integer, old_next_offset bigint, next_offset bigint, watermark bigint, quiet_since bigint,
      counted bigint, late bigint, dead bigint, null_records bigint, skipped bigint);
end $$;
comment on function tidemark_commit_v2(uuid, text, text, jsonb, jsonb, text[], text[], text[], text[], text[], text[], text[], text[], jsonb) is
  'Moves the partitions of one delta and stores it, atomically; raises TM001 (detail: partition numbers) and changes nothing if one has moved.';

-- ---- upkeep

-- Deletes old rows. Of the idle advances, a replay needs the first and the last at each position (the last applies to every record behind it;
-- reading may begin at the first) and, of retired time, the newest of each partition, at or behind which a replay begins. Two days are
-- longer than MAX_FUTURE_SKEW and WATERMARK_DELAY together. Returns how many rows of idle_advance were deleted.
create function tidemark_prune_v1() returns bigint language plpgsql volatile as $$
declare
  between_ends bigint;
  of_retired bigint;
begin
  delete from commit_history where committed_at < now() - interval '7 days';
  delete from dead_letter_sample where seen_at < now() - interval '30 days';
  delete from dead_letter_range where seen_at < now() - interval '30 days';
  delete from idle_advance a using (
    select partition, at_offset, min(watermark) as first, max(watermark) as last from idle_advance group by partition, at_offset having count(*) > 2
  ) g where a.partition = g.partition and a.at_offset = g.at_offset and a.watermark > g.first and a.watermark < g.last;
  get diagnostics between_ends = row_count;
  delete from idle_advance a using (
    select i.partition, max(i.at_offset) as at_offset from idle_advance i
    where i.watermark < (select s.retired_through - interval '2 days' from stream s) group by i.partition
  ) k where a.partition = k.partition and a.at_offset < k.at_offset;
  get diagnostics of_retired = row_count;
  return between_ends + of_retired;
end $$;
comment on function tidemark_prune_v1() is 'Deletes old commits, samples and ranges of dead letters, and idle advances that no replay needs.';
comment on column idle_advance.at_offset is 'Next offset when the watermark was raised: it applies to records at or above this offset. Of each position the first and the last advance are kept.';

create table stream_step (
  step            text        primary key check (step in ('commit', 'closing', 'compaction', 'roll_up', 'retention', 'upkeep', 'notify')),
  state           text        not null check (state in ('ok', 'waiting', 'failing')),
  since           timestamptz not null,
  code            text,
  sqlstate        text,
  message         text,
  last_success_at timestamptz,
  instance        text        not null,
  updated_at      timestamptz not null default now()
);
comment on table stream_step is 'State of each step that must make progress, by the instance that wrote last, for programs that only read.';
comment on column stream_step.step is 'commit, closing, compaction, roll_up, retention, upkeep or notify.';
comment on column stream_step.state is 'ok, waiting (for another step or for a lock) or failing.';
comment on column stream_step.since is 'Start of this state.';
comment on column stream_step.code is 'Named error, see docs/runbook.md; null while it is ok.';
comment on column stream_step.sqlstate is 'SQLSTATE of the error; null without one.';
comment on column stream_step.message is 'The error, or what it waits for, in words.';
comment on column stream_step.last_success_at is 'When it last succeeded; null before the first time.';
comment on column stream_step.instance is 'Instance that wrote the row.';
comment on column stream_step.updated_at is 'When the row was written.';
