-- Why: hits are also counted by page, client, campaign and entry channel, and visitors by day. These counts come in the commit of their
-- records and are closed in the transaction that closes their window, so they are exact as the rows are. Programs of the version before do not
-- know them: windows to which such a program has contributed have none, which reports show as not counted, never as zero.
--
-- Numbers of dimensions: 1 page, 2 client (browser U+001E system U+001E device), 3 campaign (source U+001E medium U+001E name), 4 entry channel,
-- 5 visitors, who have no values. Dimension d is bit d - 1 of a mask.
--
-- Named errors: TM004 counts that do not add up · TM008 another salt.

-- ---- counts of open, closed and late windows

alter table open_delta
  add column mask           smallint,
  add column value_texts    text,
  add column dimension_ends integer[],
  add column value_host_ix  integer[],
  add column value_ix       integer[],
  add column value_hits     integer[],
  add column value_bot_hits integer[];
alter table open_delta
  alter column value_texts set storage external, alter column value_host_ix set storage external, alter column value_ix set storage external,
  alter column value_hits set storage external, alter column value_bot_hits set storage external;
comment on column open_delta.mask is 'Dimensions that are counted for each hit of this chunk, as bits; null: none.';
comment on column open_delta.value_texts is 'Texts of the values of all dimensions, each ended by U+001F.';
comment on column open_delta.dimension_ends is 'Four numbers: pairs of host and value up to the end of dimension 1, 2, 3, 4. The four arrays hold the dimensions in this order.';
comment on column open_delta.value_host_ix is 'For each pair the 1-based position of its host in hosts.';
comment on column open_delta.value_ix is 'For each pair the 1-based position of its value in value_texts.';
comment on column open_delta.value_hits is 'For each pair its hits. Each dimension of the mask adds up to the hits of the chunk.';
comment on column open_delta.value_bot_hits is 'For each pair its hits by bots. Each dimension of the mask adds up to the bot_hits of the chunk.';

alter table web_traffic_window add column mask smallint;
comment on column web_traffic_window.mask is 'Dimensions that are counted for each hit of the window, as bits; null: closed by a version that knows none.';

create table web_breakdown (
  window_start timestamptz not null,
  dimension    smallint    not null check (dimension between 1 and 4),
  hits         bigint      not null,
  bot_hits     bigint      not null,
  keys         integer     not null check (keys > 0),
  folded       bigint      not null,
  hosts        text        not null,
  value_texts  text        not null,
  host_ix      integer[]   not null,
  value_ix     integer[]   not null,
  key_hits     bigint[]    not null,
  key_bot_hits bigint[]    not null,
  digest       bytea       not null,
  primary key (window_start, dimension)
);
comment on table web_breakdown is 'Closed windows by dimension: hits by host and value, packed in one row. Rows are appended once and never change. The view web_breakdown_row unpacks them.';
comment on column web_breakdown.window_start is 'Start of the window, inclusive.';
comment on column web_breakdown.dimension is '1 page, 2 client, 3 campaign, 4 entry channel.';
comment on column web_breakdown.hits is 'Sum of key_hits: the hits of the window.';
comment on column web_breakdown.bot_hits is 'Sum of key_bot_hits: the hits of the window by bots.';
comment on column web_breakdown.keys is 'Length of the four arrays.';
comment on column web_breakdown.folded is 'Pairs of host and value that the closing has folded into pairs with the value (other).';
comment on column web_breakdown.hosts is 'Texts of the hosts in order of their bytes, each ended by U+001F.';
comment on column web_breakdown.value_texts is 'Texts of the values in order of their bytes, each ended by U+001F.';
comment on column web_breakdown.host_ix is 'For each pair the 1-based position of its host in hosts. Pairs are in order of host, then of value.';
comment on column web_breakdown.value_ix is 'For each pair the 1-based position of its value in value_texts.';
comment on column web_breakdown.key_hits is 'For each pair its hits.';
comment on column web_breakdown.key_bot_hits is 'For each pair its hits by bots.';
comment on column web_breakdown.digest is 'SHA-256 over the row as it was written, see tidemark_breakdown_digest_v1.';

create table late_breakdown (
  window_start timestamptz not null,
  dimension    smallint    not null,
  host         text        not null,
  value        text        not null,
  num_hits     bigint      not null,
  bot_hits     bigint      not null
);
create index late_breakdown_window on late_breakdown (dimension, window_start);
alter table late_breakdown replica identity full;
comment on table late_breakdown is 'Late records by dimension, as late_web_traffic has them by place. Several rows of one key add up. Of retired days: sums by hour, without hosts, pages and campaigns.';
comment on column late_breakdown.window_start is 'Start of the window that the records belong to; of retired days, start of its hour.';
comment on column late_breakdown.dimension is '1 page, 2 client, 3 campaign, 4 entry channel.';
comment on column late_breakdown.host is 'Requested host; (retired) once retention has dropped the day.';
comment on column late_breakdown.value is 'Value of the dimension; of pages and campaigns (retired) once retention has dropped the day.';
comment on column late_breakdown.num_hits is 'Hits by humans and bots.';
comment on column late_breakdown.bot_hits is 'Hits by bots, a part of num_hits.';

-- ---- visitors

create table visitor_salt (
  day  date  primary key,
  id   uuid  not null default gen_random_uuid(),
  salt bytea not null check (octet_length(salt) = 16)
);
-- A deleted salt must not stay in a dead row for long.
alter table visitor_salt set (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);
comment on table visitor_salt is 'Secret keys by which visitors are hashed, one a day. A day''s key is deleted when the day is closed; then no hash can be made again.';
comment on column visitor_salt.day is 'UTC day of the starts of windows.';
comment on column visitor_salt.id is 'Random id by which a commit names the key.';
comment on column visitor_salt.salt is '128 random bits.';

create table open_visitor (
  id        bigint    generated always as identity primary key,
  day       date      not null,
  commit_id uuid      not null,
  size      integer   not null,
  hosts     text      not null,
  host_ix   integer[] not null check (cardinality(host_ix) = size),
  updates   integer[] not null check (cardinality(updates) = size and 0 < all (updates) and 1048576 > all (updates))
);
alter table open_visitor
  alter column hosts set storage external, alter column host_ix set storage external, alter column updates set storage external;
alter table open_visitor set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on table open_visitor is 'Updates of the sketches of visitors that are not merged yet, one row a commit and day.';
comment on column open_visitor.id is 'Order of arrival.';
comment on column open_visitor.day is 'UTC day of the windows'' starts.';
comment on column open_visitor.commit_id is 'The commit that appended it.';
comment on column open_visitor.size is 'Length of the two arrays.';
comment on column open_visitor.hosts is 'Texts of the hosts, each ended by U+001F.';
comment on column open_visitor.host_ix is 'For each update the 1-based position of its host in hosts.';
comment on column open_visitor.updates is 'Register (0 to 16383) times 64, plus rank (1 to 51).';

create table visitor_sketch (
  day       date not null,
  host      text not null,
  registers bytea,
  visitors  double precision,
  primary key (day, host)
);
create index visitor_sketch_open on visitor_sketch (day) where visitors is null;
comment on table visitor_sketch is 'HyperLogLog sketches of the visitors of a day, and how many they were.';
comment on column visitor_sketch.day is 'UTC day of the windows'' starts.';
comment on column visitor_sketch.host is 'Requested host; empty: all hosts together.';
comment on column visitor_sketch.registers is 'First byte 1: then each used register times 64 plus its rank, ascending, in three bytes. First byte 2: then the rank of each register in one byte. Null once retention has dropped the day.';
comment on column visitor_sketch.visitors is 'Estimate of the number of visitors, set when the day is closed; null before.';

-- ---- chunks

-- The one place that reads the packed form: of chunks, of commits that are under way, and of closed windows. Subscripts of arrays in place of joins
-- halve its cost; a generic plan has them as variables, whose elements are found at once, where in constants each would be searched for.
create function tidemark_chunk_pairs_v1(p_mask integer, p_hosts text, p_value_texts text, p_ends integer[], p_host_ix integer[],
  p_value_ix integer[], p_hits bigint[], p_bot_hits bigint[])
returns table (dimension smallint, host text, value text, num_hits bigint, bot_hits bigint)
language plpgsql stable rows 1000
set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  hosts constant text[] := string_to_array(p_hosts, E'\x1f');
  texts constant text[] := string_to_array(p_value_texts, E'\x1f');
  -- Pairs before the first dimension of the mask, and up to the end of its last.
  before constant integer := case when p_mask & 1 > 0 then 0 when p_mask & 2 > 0 then p_ends[1] when p_mask & 4 > 0 then p_ends[2] else p_ends[3] end;
  last constant integer := case when p_mask & 8 > 0 then p_ends[4] when p_mask & 4 > 0 then p_ends[3] when p_mask & 2 > 0 then p_ends[2] else p_ends[1] end;
begin
  return query
    select t.dimension::smallint, hosts[t.host_ix], texts[t.value_ix], t.hits, t.bots
    from (
      select case when k.n + before <= p_ends[1] then 1 when k.n + before <= p_ends[2] then 2 when k.n + before <= p_ends[3] then 3 else 4 end as dimension,
             k.host_ix, k.value_ix, k.hits, k.bots
      from unnest(p_host_ix[before + 1 : last], p_value_ix[before + 1 : last], p_hits[before + 1 : last], p_bot_hits[before + 1 : last])
        with ordinality as k(host_ix, value_ix, hits, bots, n)
    ) t
    where p_mask >> (t.dimension - 1) & 1 = 1;
end $$;
comment on function tidemark_chunk_pairs_v1(integer, text, text, integer[], integer[], integer[], bigint[], bigint[]) is
  'The pairs of host and value of one chunk, of the dimensions in p_mask; none where the chunk has no breakdowns.';

create function tidemark_dimension_ends_v1(p_dimension integer, p_keys integer) returns integer[] language sql immutable parallel safe
return array_fill(0, array[p_dimension - 1]) || array_fill(p_keys, array[5 - p_dimension]);
comment on function tidemark_dimension_ends_v1(integer, integer) is 'dimension_ends of a chunk with one dimension only.';

create function tidemark_dimension_sums_v1(p_ends integer[], p_hits bigint[], p_bot_hits bigint[])
returns table (dimension integer, num_hits bigint, bot_hits bigint) language sql immutable parallel safe rows 4
begin atomic
  select d, coalesce((select sum(x) from unnest(p_hits[coalesce(p_ends[d - 1], 0) + 1 : p_ends[d]]) x), 0)::bigint,
         coalesce((select sum(x) from unnest(p_bot_hits[coalesce(p_ends[d - 1], 0) + 1 : p_ends[d]]) x), 0)::bigint
  from generate_series(1, 4) d;
end;
comment on function tidemark_dimension_sums_v1(integer[], bigint[], bigint[]) is 'What each of the four dimensions of a chunk adds up to; zeros for one that it does not count.';

create function tidemark_breakdown_fits_v1(p_hits bigint, p_bot_hits bigint, p_mask integer, p_ends integer[], p_host_ix integer[], p_value_ix integer[],
  p_value_hits bigint[], p_value_bot_hits bigint[]) returns boolean language sql immutable parallel safe
return coalesce(
  cardinality(p_ends) = 4 and cardinality(p_host_ix) = p_ends[4] and cardinality(p_value_ix) = p_ends[4]
  and cardinality(p_value_hits) = p_ends[4] and cardinality(p_value_bot_hits) = p_ends[4]
  and not exists (
    select from tidemark_dimension_sums_v1(p_ends, p_value_hits, p_value_bot_hits) s
    where (s.num_hits, s.bot_hits) is distinct from (case when p_mask >> (s.dimension - 1) & 1 = 1 then p_hits else 0 end,
      case when p_mask >> (s.dimension - 1) & 1 = 1 then p_bot_hits else 0 end)), false);
comment on function tidemark_breakdown_fits_v1(bigint, bigint, integer, integer[], integer[], integer[], bigint[], bigint[]) is
  'Whether the arrays of a chunk fit together, each dimension of its mask adds up to its hits and bot hits, and the others are empty.';

-- ---- sketches
-- HyperLogLog with 2^14 registers: standard error 1.04 / sqrt(2^14) = 0.81 %. The program's own form of the same (src/breakdown/sketch.ts) gives
-- equal bytes and equal estimates.

create function tidemark_sketch_bytes_v1(p_updates integer[]) returns bytea language sql immutable parallel safe
return case when cardinality(p_updates) <= 5461
  then '\x01'::bytea || coalesce((select string_agg(substr(int4send(u), 2), ''::bytea order by u) from unnest(p_updates) u), ''::bytea)
  else '\x02'::bytea || (select string_agg(set_byte('\x00'::bytea, 0, coalesce(u & 63, 0)), ''::bytea order by g)
    from generate_series(0, 16383) g left join unnest(p_updates) u on u >> 6 = g) end;
comment on function tidemark_sketch_bytes_v1(integer[]) is 'The bytes of a sketch, in the one form that it has; at most one update a register, in any order.';

-- The bytes are copied once, as a stored value would be fetched and decompressed for each byte that is read of it.
create function tidemark_sketch_updates_v1(p_registers bytea) returns table (item integer) language sql immutable parallel safe rows 2000
begin atomic
  with sketch as materialized (select p_registers || ''::bytea as b)
  select get_byte(s.b, 3 * n + 1) * 65536 + get_byte(s.b, 3 * n + 2) * 256 + get_byte(s.b, 3 * n + 3)
  from sketch s cross join lateral generate_series(0, case when get_byte(s.b, 0) = 1 then (octet_length(s.b) - 1) / 3 - 1 else -1 end) n
  union all
  select n * 64 + get_byte(s.b, n + 1)
  from sketch s cross join lateral generate_series(0, case when get_byte(s.b, 0) = 2 then octet_length(s.b) - 2 else -1 end) n
  where get_byte(s.b, n + 1) > 0;
end;
comment on function tidemark_sketch_updates_v1(bytea) is 'The updates that make a sketch, one a used register.';

create function tidemark_sketch_ok_v1(p_registers bytea) returns boolean language sql immutable parallel safe
return coalesce((
  select p_registers = tidemark_sketch_bytes_v1(coalesce(array_agg(u.item), '{}')) and count(*) = count(distinct u.item >> 6)
    and coalesce(bool_and(u.item between 0 and 1048575 and u.item & 63 between 1 and 51), true)
  from tidemark_sketch_updates_v1(case when octet_length(p_registers) > 0 then p_registers end) u), false);
comment on function tidemark_sketch_ok_v1(bytea) is 'Whether the bytes are a sketch in its one form.';

-- Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284, 2017), algorithm 6.
create function tidemark_estimate_updates_v1(p_updates integer[]) returns double precision language plpgsql immutable parallel safe as $$
declare
  m constant double precision := 16384;
  one constant double precision := 1;
  half constant double precision := 0.5;
  ln2 constant double precision := 0.6931471805599453;
  -- Element r + 1: registers of rank r, for 0 to 51.
  counts bigint[];
  z double precision;
  x double precision;
  root double precision;
  power double precision;
  weight double precision := 1;
  total double precision;
  before double precision;
begin
  select array_agg(case when r = 0 then 16384 - cardinality(p_updates) else coalesce(c.n, 0) end order by r) into counts
    from generate_series(0, 51) r left join (select u & 63 as rank, count(*) as n from unnest(p_updates) u group by 1) c on c.rank = r;
  if counts[1] = 16384 then
    return 0;
  end if;
  -- Equation 6.5 of the share of registers below the highest rank; 0 for 0 and 1.
  x := one - counts[52] / m;
  z := 0;
  if x > 0 and x < 1 then
    root := x;
    total := one - x;
    loop
      root := sqrt(root);
      before := total;
      weight := weight * half;
      total := total - (one - root) * (one - root) * weight;
      exit when total = before;
    end loop;
    z := m * (total / 3);
  end if;
  for rank in reverse 50..1 loop
    z := half * (z + counts[rank + 1]);
  end loop;
  -- Equation 6.3 of the share of unused registers.
  power := counts[1] / m;
  weight := 1;
  total := power;
  loop
    power := power * power;
    before := total;
    total := total + power * weight;
    weight := weight + weight;
    exit when total = before;
  end loop;
  z := z + m * total;
  -- All registers are full.
  if z = 0 then
    return 'infinity';
  end if;
  return (m / (2 * ln2)) * (m / z);
end $$;
comment on function tidemark_estimate_updates_v1(integer[]) is 'How many visitors made a sketch, estimated from its updates, at most one a register; not rounded.';

create function tidemark_estimate_v1(p_registers bytea) returns double precision language sql immutable parallel safe
return tidemark_estimate_updates_v1(array(select u.item from tidemark_sketch_updates_v1(p_registers) u));
comment on function tidemark_estimate_v1(bytea) is 'How many visitors made a sketch, estimated from its bytes; not rounded.';

create function tidemark_chunk_updates_v1(p_hosts text, p_host_ix integer[], p_updates integer[]) returns table (host text, item integer)
language plpgsql stable rows 1000
set enable_nestloop = off set enable_mergejoin = off set jit = off as $$
begin
  return query
    select h.value, u.item from unnest(p_host_ix, p_updates) as u(host_ix, item) join tidemark_texts_v1(p_hosts) h on h.ix = u.host_ix;
end $$;
comment on function tidemark_chunk_updates_v1(text, integer[], integer[]) is 'The updates of one row of open_visitor, with their hosts.';

-- Takes exactly the rows that it deletes, so commits may append beside it. The caller has the stream row's lock.
create function tidemark_merge_visitors_v1(p_day date) returns void language plpgsql volatile
set enable_mergejoin = off set jit = off set work_mem = '64MB' as $$
begin
  with gone as materialized (
    delete from open_visitor v where v.day = p_day returning v.hosts, v.host_ix, v.updates
  ), fresh as materialized (
    select u.host, u.item >> 6 as register, max(u.item & 63) as rank
    from gone g cross join lateral tidemark_chunk_updates_v1(g.hosts, g.host_ix, g.updates) u group by 1, 2
  ), risen as materialized (
    select f.host, f.register, f.rank from fresh f
    union all
    select '', f.register, max(f.rank) from fresh f group by f.register
  ), held as (
    select s.host, u.item >> 6 as register, u.item & 63 as rank
    from visitor_sketch s cross join lateral tidemark_sketch_updates_v1(s.registers) u
    where s.day = p_day and s.host in (select r.host from risen r)
  )
  insert into visitor_sketch (day, host, registers)
    select p_day, x.host, tidemark_sketch_bytes_v1(array_agg(x.register * 64 + x.rank))
    from (
      select y.host, y.register, max(y.rank) as rank from (select * from risen union all select * from held) y group by y.host, y.register
    ) x
    group by x.host
    on conflict (day, host) do update set registers = excluded.registers;
end $$;
comment on function tidemark_merge_visitors_v1(date) is 'Merges the open updates of one day into its sketches, by host and for all hosts. Merging an update twice changes nothing.';

-- Run with each closing, also where no window is closed: silence alone may end a day. Also merges the updates of a day once they are many, so
-- that a report of today and the closing of the day have few to read.
create function tidemark_close_visitors_v1() returns void language plpgsql volatile as $$
declare
  -- The first day that is not closed. No record can be counted into an earlier one.
  first_open constant date := (select (s.closed_through at time zone 'UTC')::date from stream s);
  d date;
begin
  for d in select v.day from open_visitor v group by v.day having v.day < first_open or count(*) >= 1000 or sum(v.size) >= 200000 order by 1
  loop
    perform tidemark_merge_visitors_v1(d);
  end loop;
  -- So many at a time that a closing stays short; reports estimate what is left. All hosts together come first.
  update visitor_sketch t set visitors = tidemark_estimate_v1(t.registers)
    from (select v.day, v.host from visitor_sketch v where v.visitors is null and v.day < first_open order by v.day, v.host <> '' limit 1000) x
    where t.day = x.day and t.host = x.host;
  delete from visitor_salt t where t.day < first_open;
end $$;
comment on function tidemark_close_visitors_v1() is 'Ends the days that are closed: merges their updates, deletes their salts, stores how many visitors they had (of 1,000 hosts a call). The caller has the stream row''s lock. Idempotent.';

-- gen_random_uuid() takes its bits from the server''s source of strong random numbers: 244 of them go in, 128 come out.
create function tidemark_salts_v1(p_days date[]) returns table (day date, id uuid, salt bytea) language plpgsql volatile as $$
#variable_conflict use_column
declare
  first_open constant date := (select (s.closed_through at time zone 'UTC')::date from stream s);
begin
  perform tidemark_require_read_committed_v1();
  insert into visitor_salt (day, salt)
    select d, substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16)
    from unnest(p_days) d where d >= first_open order by d
    on conflict do nothing;
  return query select v.day, v.id, v.salt from visitor_salt v where v.day = any(p_days) and v.day >= first_open order by v.day;
end $$;
comment on function tidemark_salts_v1(date[]) is 'The salts of these days; makes those that are missing. Every caller gets the same. Closed days have none and are left out.';

-- ---- commit

-- As tidemark_commit_v2, which does its own part of it: given chunks without their arrays, it stores none of them. The chunks are stored before
-- the rows are compared, so that the time in commit_history covers them; a refused commit leaves nothing.
-- A chunk names its dimensions as "mask" in p_chunks. p_visitors: null or [{"day", "salt_id", "hosts", "host_ix": "1,2", "updates": "…"}].
create function tidemark_commit_v3(
  p_commit_id uuid, p_instance text, p_reason text, p_partitions jsonb, p_chunks jsonb,
  p_hosts text[], p_referrers text[], p_places text[],
  p_host_ix text[], p_referrer_ix text[], p_place_ix text[], p_key_hits text[], p_key_bot_hits text[],
  p_value_texts text[], p_dimension_ends text[], p_value_host_ix text[], p_value_ix text[], p_value_hits text[], p_value_bot_hits text[],
  p_visitors jsonb, p_dead jsonb
) returns void language plpgsql volatile
set enable_nestloop = off set enable_mergejoin = off set jit = off set work_mem = '64MB' as $$
declare
  size interval;
  wrong bigint;
  wrong_late bigint := 0;
begin
  perform tidemark_require_read_committed_v1();
  with stored as (
    insert into open_delta (window_start, commit_id, hits, bot_hits, keys, hosts, referrers, places, host_ix, referrer_ix, place_ix, key_hits, key_bot_hits,
        mask, value_texts, dimension_ends, value_host_ix, value_ix, value_hits, value_bot_hits)
      select tidemark_time_v1(c.window_start), p_commit_id, c.hits, c.bot_hits, c.keys, a.hosts, a.referrers, a.places,
             a.host_ix::integer[], a.referrer_ix::integer[], a.place_ix::integer[], a.key_hits::integer[], a.key_bot_hits::integer[],
             c.mask, a.value_texts, a.dimension_ends::integer[], a.value_host_ix::integer[], a.value_ix::integer[],
             a.value_hits::integer[], a.value_bot_hits::integer[]
      from unnest(p_hosts, p_referrers, p_places, p_host_ix, p_referrer_ix, p_place_ix, p_key_hits, p_key_bot_hits,
          p_value_texts, p_dimension_ends, p_value_host_ix, p_value_ix, p_value_hits, p_value_bot_hits)
        with ordinality as a(hosts, referrers, places, host_ix, referrer_ix, place_ix, key_hits, key_bot_hits,
          value_texts, dimension_ends, value_host_ix, value_ix, value_hits, value_bot_hits, n)
      join jsonb_to_recordset(p_chunks) as c(n bigint, late boolean, window_start bigint, hits bigint, bot_hits bigint, keys integer, mask smallint) using (n)
      where not c.late
      returning hits, bot_hits, mask, dimension_ends, value_host_ix, value_ix, value_hits, value_bot_hits
  )
  select count(*) into wrong from stored s
    where s.mask is not null and not tidemark_breakdown_fits_v1(s.hits, s.bot_hits, s.mask, s.dimension_ends, s.value_host_ix, s.value_ix,
      s.value_hits::bigint[], s.value_bot_hits::bigint[]);

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
    with given as (
      select tidemark_time_v1(c.window_start) as window_start, c.hits, c.bot_hits, c.mask, a.hosts, a.value_texts, a.dimension_ends::integer[] as ends,
             a.value_host_ix::integer[] as host_ix, a.value_ix::integer[] as value_ix, a.value_hits::bigint[] as value_hits,
             a.value_bot_hits::bigint[] as value_bot_hits
      from unnest(p_hosts, p_value_texts, p_dimension_ends, p_value_host_ix, p_value_ix, p_value_hits, p_value_bot_hits)
        with ordinality as a(hosts, value_texts, dimension_ends, value_host_ix, value_ix, value_hits, value_bot_hits, n)
      join jsonb_to_recordset(p_chunks) as c(n bigint, late boolean, window_start bigint, hits bigint, bot_hits bigint, mask smallint) using (n)
      where c.late and c.mask is not null
    ), judged as materialized (
      select g.*, tidemark_breakdown_fits_v1(g.hits, g.bot_hits, g.mask, g.ends, g.host_ix, g.value_ix, g.value_hits, g.value_bot_hits) as fits from given g
    ), stored as (
      insert into late_breakdown (window_start, dimension, host, value, num_hits, bot_hits)
      select g.window_start, k.dimension, k.host, k.value, sum(k.num_hits), sum(k.bot_hits)
      from judged g
      cross join lateral tidemark_chunk_pairs_v1(g.mask, g.hosts, g.value_texts, g.ends, g.host_ix, g.value_ix, g.value_hits, g.value_bot_hits) k
      where g.fits
      group by 1, 2, 3, 4
    )
    select count(*) into wrong_late from judged g where not g.fits;
  end if;
  if wrong + wrong_late > 0 then
    raise exception 'the breakdowns of % chunks do not add up to their hits', wrong + wrong_late using errcode = 'TM004';
  end if;

  perform tidemark_commit_v2(p_commit_id, p_instance, p_reason, p_partitions, p_chunks, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', p_dead);

  if p_visitors is not null then
    if exists (select from jsonb_to_recordset(p_visitors) as v(day date, salt_id uuid) left join visitor_salt t using (day) where t.id is distinct from v.salt_id) then
      raise exception 'visitors were hashed with a salt that is not the one of their day' using errcode = 'TM008';
    end if;
    -- A record is counted only while its window is open, and a day is not closed before its last window.
    if exists (select from jsonb_to_recordset(p_visitors) as v(day date) where v.day < (select (s.closed_through at time zone 'UTC')::date from stream s)) then
      raise exception 'visitors belong to a day that is closed' using errcode = 'TM004';
    end if;
    insert into open_visitor (day, commit_id, size, hosts, host_ix, updates)
      select v.day, p_commit_id, cardinality(x.host_ix), v.hosts, x.host_ix, x.updates
      from jsonb_to_recordset(p_visitors) as v(day date, hosts text, host_ix text, updates text)
      cross join lateral (select ('{' || v.host_ix || '}')::integer[] as host_ix, ('{' || v.updates || '}')::integer[] as updates) x
      order by v.day;
  end if;
end $$;
comment on function tidemark_commit_v3(uuid, text, text, jsonb, jsonb, text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], jsonb, jsonb) is
  'Moves the partitions of one delta and stores it with its breakdowns and visitors, atomically. Changes nothing and raises TM001 (detail: partition numbers) if a partition has moved, TM008 if a day has another salt or none, TM004 if a breakdown does not add up to the hits of its chunk.';

-- ---- closing

create function tidemark_breakdown_digest_v1(p_window_start timestamptz, p_dimension integer, p_hosts text, p_value_texts text, p_host_ix integer[],
  p_value_ix integer[], p_hits bigint[], p_bot_hits bigint[]) returns bytea language sql stable parallel safe
return sha256(convert_to(tidemark_micros_v1(p_window_start) || ',' || p_dimension, 'UTF8')
  || sha256(convert_to(p_hosts, 'UTF8')) || sha256(convert_to(p_value_texts, 'UTF8'))
  || sha256(convert_to(array_to_string(p_host_ix, ','), 'UTF8')) || sha256(convert_to(array_to_string(p_value_ix, ','), 'UTF8'))
  || sha256(convert_to(array_to_string(p_hits, ','), 'UTF8')) || sha256(convert_to(array_to_string(p_bot_hits, ','), 'UTF8')));
comment on function tidemark_breakdown_digest_v1(timestamptz, integer, text, text, integer[], integer[], bigint[], bigint[]) is
  'Digest of one row of web_breakdown: SHA-256 of its window and dimension, then of the SHA-256 of each text and array. Texts and pairs are in one order, so equal counts have equal digests.';

-- Merging compares numbers in place of texts, which takes a third of the time: each text gets its position in the order of all texts, and a pair is
-- one number: dimension << 56 | host << 28 | value. Sorted numbers are pairs in order of dimension, host and value.
-- The smallest values of a host (by hits, then by the bytes of the text) fold into (other) until p_values_max are left, and the smallest pairs of
-- all hosts into (other) of the host (other) until p_max_keys and p_max_bytes hold. Both are exact: sums stay. A value that was folded before
-- stays folded. No value of a record is (other): paths begin with a slash, the other dimensions have lists or separators.
create function tidemark_merged_pairs_v1(p_ids bigint[], p_from timestamptz, p_to timestamptz, p_mask integer, p_values_max integer, p_max_keys bigint,
  p_max_bytes bigint, out hosts text[], out texts text[], out text_ends integer[], out pairs bigint[], out num_hits bigint[], out bot_hits bigint[],
  out folded bigint[])
language plpgsql stable
set plan_cache_mode = force_generic_plan set enable_hashagg = off set enable_mergejoin = off set enable_nestloop = off set jit = off set work_mem = '64MB' as $$
#variable_conflict use_column
declare
  other constant text := '(other)';
  low constant bigint := (1 << 28) - 1;
  other_host bigint;
  -- By dimension.
  other_texts bigint[];
  longest bigint;
  is_crowded boolean;
begin
  with source as materialized (
    select row_number() over ()::integer as n, s.*,
           -- Behind the last terminator of a list is an empty text.
           length(s.hosts) - length(replace(s.hosts, E'\x1f', '')) as host_count,
           length(s.value_texts) - length(replace(s.value_texts, E'\x1f', '')) as text_count,
           -- Texts of a dimension follow those of the dimension before.
           array(select coalesce((select max(x) from unnest(s.value_ix[coalesce(s.ends[d - 1], 0) + 1 : s.ends[d]]) x), 0)
             from generate_series(1, 4) d order by d) as last_ix
    from (
      select d.hosts, d.value_texts, d.dimension_ends as ends, d.value_host_ix as host_ix, d.value_ix, d.value_hits::bigint[] as hits,
             d.value_bot_hits::bigint[] as bots
      from open_delta d where d.id = any(p_ids) and d.mask > 0
      union all
      select b.hosts, b.value_texts, tidemark_dimension_ends_v1(b.dimension, b.keys), b.host_ix, b.value_ix, b.key_hits, b.key_bot_hits
      from web_breakdown b where b.window_start >= p_from and b.window_start < p_to and p_mask >> (b.dimension - 1) & 1 = 1
    ) s
  ), host as materialized (
    select s.n as source, h.ix, h.value, dense_rank() over (order by h.value collate "C")::integer as n
    from source s cross join lateral tidemark_texts_v1(s.hosts) h where h.ix <= s.host_count
  ), value as materialized (
    select v.*, dense_rank() over (order by v.dimension, v.value collate "C")::integer as n
    from (
      select s.n as source, v.ix, v.value,
             case when v.ix <= s.last_ix[1] then 1 when v.ix <= s.last_ix[2] then 2 when v.ix <= s.last_ix[3] then 3 else 4 end as dimension
      from source s cross join lateral tidemark_texts_v1(s.value_texts) v where v.ix <= s.text_count
    ) v
  ), host_map as materialized (
    select o.source, array_agg(o.n) as n from (select h.source, h.n from host h order by h.source, h.ix) o group by o.source
  ), value_map as materialized (
    select o.source, array_agg(o.n) as n from (select v.source, v.n from value v order by v.source, v.ix) o group by o.source
  ), pair as (
    select (d.dimension::bigint << 56) | (h.n[k.host_ix]::bigint << 28) | v.n[k.value_ix] as pair, k.hits, k.bots
    from source s join host_map h on h.source = s.n join value_map v on v.source = s.n
    cross join lateral (
      select d as dimension, coalesce(s.ends[d - 1], 0) + 1 as a, s.ends[d] as b from generate_series(1, 4) d where p_mask >> (d - 1) & 1 = 1
    ) d
    cross join lateral unnest(s.host_ix[d.a : d.b], s.value_ix[d.a : d.b], s.hits[d.a : d.b], s.bots[d.a : d.b]) as k(host_ix, value_ix, hits, bots)
  ), summed as materialized (
    select p.pair, sum(p.hits)::bigint as hits, sum(p.bots)::bigint as bots from pair p group by p.pair order by p.pair
  )
  select array(select x.value from (select distinct on (h.n) h.n, h.value from host h order by h.n) x order by x.n),
         array(select x.value from (select distinct on (v.n) v.n, v.value from value v order by v.n) x order by x.n),
         e.ends, array(select s.pair from summed s order by s.pair), array(select s.hits from summed s order by s.pair), array(select s.bots from summed s order by s.pair),
         coalesce((select max(octet_length(h.value)) from host h), 0) + e.longest
    into hosts, texts, text_ends, pairs, num_hits, bot_hits, longest
    from (
      select array[max(v.n) filter (where v.dimension = 1), max(v.n) filter (where v.dimension <= 2), max(v.n) filter (where v.dimension <= 3), max(v.n)] as ends,
             coalesce(max(octet_length(v.value)), 0) as longest
      from value v
    ) e;

  -- Pairs are sorted, so values of one host lie together.
  is_crowded := exists (select from generate_series(1, cardinality(pairs) - p_values_max) i where pairs[i] >> 28 = pairs[i + p_values_max] >> 28);
  if not is_crowded and cardinality(pairs) <= p_max_keys and cardinality(pairs) * (64 + longest) <= p_max_bytes then
    return;
  end if;
  folded := array_fill(0::bigint, array[cardinality(pairs)]);
  other_host := coalesce(array_position(hosts, other), cardinality(hosts) + 1);
  other_texts := array(select coalesce(coalesce(text_ends[d - 1], 0) + array_position(texts[coalesce(text_ends[d - 1], 0) + 1 : text_ends[d]], other),
    cardinality(texts) + 1) from generate_series(1, 4) d order by d);
  hosts := hosts || other;
  texts := texts || other;

  if is_crowded then
    with pair as materialized (
      select k.*, k.pair >> 28 as host, count(*) over (partition by k.pair >> 28) > p_values_max as is_crowded
      from unnest(pairs, num_hits, bot_hits) as k(pair, hits, bots)
    ), ranked as materialized (
      select p.*, o.other_text, row_number() over (partition by p.host order by case when p.pair & low = o.other_text then 0 else p.hits end desc, p.pair) as n
      from pair p cross join lateral (select other_texts[(p.pair >> 56)::integer] as other_text) o
      where p.is_crowded
    ), fewer as (
      select p.pair, p.hits, p.bots, 0::bigint as folded from pair p where not p.is_crowded
      union all
      select r.pair, r.hits, r.bots, 0 from ranked r where r.n < p_values_max
      union all
      select (r.host << 28) | r.other_text, sum(r.hits)::bigint, sum(r.bots)::bigint, count(*) filter (where r.pair & low <> r.other_text)
      from ranked r where r.n >= p_values_max group by r.host, r.other_text
    )
    select array_agg(f.pair), array_agg(f.hits), array_agg(f.bots), array_agg(f.folded) into pairs, num_hits, bot_hits, folded
      from (select * from fewer order by pair) f;
  end if;

  if cardinality(pairs) > p_max_keys or cardinality(pairs) * (64 + longest) > p_max_bytes then
    with bounded as (
      select k.*, row_number() over by_hits as n, count(*) over (partition by k.pair >> 56) as alike,
             sum(64 + octet_length(hosts[(k.pair >> 28) & low]) + octet_length(texts[k.pair & low])) over (by_hits rows unbounded preceding) as bytes
      from unnest(pairs, num_hits, bot_hits, folded) as k(pair, hits, bots, folded)
      window by_hits as (partition by k.pair >> 56 order by k.hits desc, k.pair)
    ), kept as materialized (
      select b.*, b.alike > p_max_keys and b.n >= p_max_keys or b.bytes > p_max_bytes as beyond, other_texts[(b.pair >> 56)::integer] as other_text
      from bounded b
    ), fewer as (
      select k.pair, k.hits, k.bots, k.folded from kept k where not k.beyond
      union all
      select ((k.pair >> 56) << 56) | (other_host << 28) | k.other_text, sum(k.hits)::bigint, sum(k.bots)::bigint,
             sum(case when k.pair & low <> k.other_text then 1 else k.folded end)::bigint
      from kept k where k.beyond group by k.pair >> 56, k.other_text
    )
    select array_agg(f.pair), array_agg(f.hits), array_agg(f.bots), array_agg(f.folded) into pairs, num_hits, bot_hits, folded
      from (select * from fewer order by pair) f;
  end if;
end $$;
comment on function tidemark_merged_pairs_v1(bigint[], timestamptz, timestamptz, integer, integer, bigint, bigint) is
  'Hits by dimension, host and value of some chunks by their ids, or (null) of closed windows that start in [p_from, p_to), for the dimensions of p_mask, folded to the bounds. pairs, ascending, are dimension << 56 | host << 28 | value: 1-based positions in hosts and texts. texts are those of dimension 1, 2, 3, 4, up to text_ends; hosts and the texts of a dimension are in order of their bytes. Where nothing was folded, folded is null and every pair''s dimension has all hosts and all its texts; else (other) is the last of both lists, too, and folded says how many pairs were folded into each.';

create function tidemark_folded_pairs_v1(p_ids bigint[], p_from timestamptz, p_to timestamptz, p_mask integer, p_values_max integer, p_max_keys bigint,
  p_max_bytes bigint)
returns table (dimension smallint, host text, value text, num_hits bigint, bot_hits bigint)
language plpgsql stable rows 1000
set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  low constant bigint := (1 << 28) - 1;
  m record;
  hosts text[];
  texts text[];
begin
  select * into m from tidemark_merged_pairs_v1(p_ids, p_from, p_to, p_mask, p_values_max, p_max_keys, p_max_bytes);
  hosts := m.hosts;
  texts := m.texts;
  return query
    select (k.pair >> 56)::smallint, hosts[(k.pair >> 28) & low], texts[k.pair & low], k.hits, k.bots
    from unnest(m.pairs, m.num_hits, m.bot_hits) as k(pair, hits, bots);
end $$;
comment on function tidemark_folded_pairs_v1(bigint[], timestamptz, timestamptz, integer, integer, bigint, bigint) is
  'The pairs of tidemark_merged_pairs_v1 with their texts.';

-- The caller has the stream row's lock, and all watermarks have passed the window, so its chunks do not change until they are deleted.
create function tidemark_close_breakdown_v1(p_window_start timestamptz, p_values_max integer, p_max_keys bigint, p_max_bytes bigint,
  out mask smallint, out folded_values bigint) language plpgsql volatile
set plan_cache_mode = force_generic_plan set enable_mergejoin = off set enable_nestloop = off set jit = off set work_mem = '64MB' as $$
#variable_conflict use_column
declare
  separator constant text := E'\x1f';
  low constant bigint := (1 << 28) - 1;
  m record;
  from_ix integer;
  to_ix integer := 0;
  before integer;
  -- Of one dimension. The numbers are those that its pairs name, in order of their texts.
  pairs bigint[];
  hits bigint[];
  bots bigint[];
  hosts text[];
  texts text[];
  host_ix integer[];
  value_ix integer[];
  host_numbers bigint[];
  text_numbers bigint[];
begin
  -- Only what every chunk counts: part of a window would be too small a number.
  mask := coalesce((select bit_and(coalesce(d.mask, 0)) from open_delta d where d.window_start = p_window_start), 0);
  folded_values := 0;
  if mask & 15 = 0 then
    return;
  end if;
  select * into m from tidemark_merged_pairs_v1(array(select d.id from open_delta d where d.window_start = p_window_start), null, null, mask, p_values_max,
    p_max_keys, p_max_bytes);
  for dimension in 1..4 loop
    from_ix := to_ix + 1;
    to_ix := width_bucket((dimension + 1)::bigint << 56, m.pairs);
    continue when to_ix < from_ix;
    pairs := m.pairs[from_ix : to_ix];
    hits := m.num_hits[from_ix : to_ix];
    bots := m.bot_hits[from_ix : to_ix];
    if m.folded is null then
      before := coalesce(m.text_ends[dimension - 1], 0);
      hosts := m.hosts;
      texts := m.texts[before + 1 : m.text_ends[dimension]];
      host_ix := array(select (x >> 28 & low)::integer from unnest(pairs) x);
      value_ix := array(select (x & low)::integer - before from unnest(pairs) x);
    else
      hosts := m.hosts;
      texts := m.texts;
      host_numbers := array(select d.n from (select distinct x >> 28 & low as n from unnest(pairs) x) d order by hosts[d.n] collate "C");
      text_numbers := array(select d.n from (select distinct x & low as n from unnest(pairs) x) d order by texts[d.n] collate "C");
      select array_agg(o.host_n), array_agg(o.text_n), array_agg(o.hits), array_agg(o.bots) into host_ix, value_ix, hits, bots
        from (
          select h.ix::integer as host_n, t.ix::integer as text_n, k.hits, k.bots
          from unnest(pairs, hits, bots) as k(pair, hits, bots)
          join unnest(host_numbers) with ordinality as h(n, ix) on h.n = k.pair >> 28 & low
          join unnest(text_numbers) with ordinality as t(n, ix) on t.n = k.pair & low
          order by 1, 2
        ) o;
      hosts := array(select hosts[u.n] from unnest(host_numbers) with ordinality as u(n, ix) order by u.ix);
      texts := array(select texts[u.n] from unnest(text_numbers) with ordinality as u(n, ix) order by u.ix);
    end if;
    insert into web_breakdown (window_start, dimension, hits, bot_hits, keys, folded, hosts, value_texts, host_ix, value_ix, key_hits, key_bot_hits, digest)
      select p_window_start, dimension, (select sum(x) from unnest(hits) x), (select sum(x) from unnest(bots) x), cardinality(hits),
             coalesce((select sum(x) from unnest(m.folded[from_ix : to_ix]) x), 0), l.hosts, l.texts, host_ix, value_ix, hits, bots,
             tidemark_breakdown_digest_v1(p_window_start, dimension, l.hosts, l.texts, host_ix, value_ix, hits, bots)
      from (select array_to_string(hosts, separator) || separator as hosts, array_to_string(texts, separator) || separator as texts) l;
    folded_values := folded_values + coalesce((select sum(x) from unnest(m.folded[from_ix : to_ix]) x), 0);
  end loop;
end $$;
comment on function tidemark_close_breakdown_v1(timestamptz, integer, bigint, bigint) is
  'Stores the breakdowns of one window that is being closed. Returns the dimensions that all of its chunks count, and how many pairs were folded.';

-- Closes as tidemark_close_v2, with breakdowns and visitors in the same transaction. It chooses the window by itself: between a choice by
-- tidemark_close_v2 and a call before it, a commit may release another window.
-- A flood of new pages would make the closing longer than its deadline: a window with more than p_pairs_max pairs in several chunks is "crowded".
-- The caller then compacts it, which folds, and calls again; null closes it as it is.
create function tidemark_close_v3(p_instance text, p_max_keys bigint, p_max_bytes bigint default 268435456, p_values_max integer default 1000,
  p_pairs_max bigint default null) returns jsonb language plpgsql volatile as $$
declare
  s stream%rowtype;
  size interval;
  through timestamptz;
  w timestamptz;
  breakdown record;
  result jsonb;
begin
  perform tidemark_require_read_committed_v1();
  select * into s from stream for update skip locked;
  if not found then
    return jsonb_build_object('state', case when exists (select from stream) then 'busy' else 'nothing' end);
  end if;
  size := s.window_size_ms * interval '1 millisecond';
  select coalesce(min(watermark), '-infinity') into through from stream_partition where not retired;
  select min(window_start) into w from open_delta;
  if w is null or w + size > through then
    if through > s.closed_through and (s.closed_through = '-infinity'
        or date_bin(size, through, 'epoch') > date_bin(size, s.closed_through, 'epoch')) then
      update stream set closed_through = through;
    end if;
    perform tidemark_close_visitors_v1();
    return jsonb_build_object('state', 'nothing', 'open_from', (extract(epoch from w) * 1000)::bigint,
      'chunks', (select max(c.n) from (select count(*) as n from open_delta group by window_start) c));
  end if;
  if to_regclass('aggregated_web_traffic_' || to_char(w at time zone 'UTC', 'YYYYMMDD')) is null then
    return jsonb_build_object('state', 'day_missing', 'day', to_char(w at time zone 'UTC', 'YYYY-MM-DD'));
  end if;
  if (select sum(d.dimension_ends[4]) > p_pairs_max and count(*) > 1 from open_delta d where d.window_start = w) then
    return jsonb_build_object('state', 'crowded', 'window_start', tidemark_ms_v1(w));
  end if;

  select * into breakdown from tidemark_close_breakdown_v1(w, p_values_max, p_max_keys, p_max_bytes);
  result := tidemark_close_v2(p_instance, p_max_keys, p_max_bytes);
  update web_traffic_window t set mask = breakdown.mask where t.window_start = w;
  if result ->> 'state' <> 'closed' or (result ->> 'window_start')::bigint <> tidemark_ms_v1(w) or exists (
    select from generate_series(1, 4) d cross join web_traffic_window t left join web_breakdown b on b.window_start = t.window_start and b.dimension = d
    where t.window_start = w and breakdown.mask >> (d - 1) & 1 = 1 and (b.hits, b.bot_hits) is distinct from (t.hits, t.bot_hits)
  ) then
    raise exception 'window % would be closed with breakdowns that do not add up to its hits (%)', w, result using errcode = 'TM004';
  end if;
  perform tidemark_close_visitors_v1();
  return result || jsonb_build_object('folded_values', breakdown.folded_values);
end $$;
comment on function tidemark_close_v3(text, bigint, bigint, integer, bigint) is
  'Closes the oldest window that all watermarks have passed, once: appends its rows and breakdowns, and ends days that are closed with it. Raises TM004 if rows or a dimension do not sum to the deltas; nothing is changed then.';

-- ---- compaction

-- As tidemark_compact_v1, with breakdowns. Chunks together count only what each of them counts, as the closing would. Beyond p_values_kept values a
-- host, many times what the closing keeps, the smallest fold here already: a flood of new values stays bounded, and its sums exact. Such a value may
-- come again, so hits of values that are this rare may be in (other). A call takes at most a million keys and pairs (two chunks at least), and 256 MiB
-- of values, since no value in PostgreSQL may have more than 1 GiB. p_window: only that window; null: the one with most chunks.
create function tidemark_compact_v2(p_chunks integer, p_values_kept integer default 10000, p_window timestamptz default null)
returns jsonb language plpgsql volatile
set enable_nestloop = off set enable_mergejoin = off set enable_sort = off set jit = off set work_mem = '64MB' as $$
declare
  half_integer constant bigint := 1073741824;
  most_bytes constant bigint := 268435456;
  most_entries constant bigint := 1000000;
  w timestamptz;
  ids bigint[];
  common integer;
  expected_hits bigint;
  expected_bots bigint;
  merged record;
begin
  perform tidemark_require_read_committed_v1();
  perform from stream for update skip locked;
  if not found then
    return jsonb_build_object('state', 'busy');
  end if;
  select d.window_start into w from open_delta d where d.hits < half_integer and (p_window is null or d.window_start = p_window)
    group by d.window_start having count(*) >= greatest(p_chunks, 2) order by count(*) desc, d.window_start limit 1;
  if not found then
    return jsonb_build_object('state', 'nothing');
  end if;
  with sized as (
    select d.*, d.keys + coalesce(d.dimension_ends[4], 0) as entries, coalesce(octet_length(d.value_texts), 0) as bytes
    from open_delta d where d.window_start = w and d.hits < half_integer
  ), ranked as (
    select d.id, d.hits, d.bot_hits, d.mask, d.entries, row_number() over by_size as n, sum(d.entries) over by_size - d.entries as smaller,
           sum(d.hits) over by_size as hits_so_far, sum(d.bytes) over by_size as bytes_so_far
    from sized d
    window by_size as (order by d.entries, d.id rows unbounded preceding)
  )
  select array_agg(r.id), sum(r.hits), sum(r.bot_hits), bit_and(coalesce(r.mask, 0)) into ids, expected_hits, expected_bots, common
    from ranked r
    where r.n <= (select max(x.n) from ranked x
      where (x.n <= 2 or (x.entries <= x.smaller and x.entries + x.smaller <= most_entries))
        and x.hits_so_far < 2 * half_integer and x.bytes_so_far <= most_bytes);
  if coalesce(cardinality(ids), 0) < 2 then
    return jsonb_build_object('state', 'nothing');
  end if;
  with merged_row as materialized (select * from tidemark_merged_v1(ids)),
  host as materialized (select d.host, row_number() over ()::integer as ix from (select distinct m.host from merged_row m) d),
  referrer as materialized (select d.referrer, row_number() over ()::integer as ix from (select distinct m.referrer from merged_row m) d),
  place as materialized (
    select d.*, row_number() over ()::integer as ix from (select distinct m.country_code, m.region, m.city from merged_row m) d),
  pair as materialized (
    -- Hosts are not folded: those of the rows are not.
    select k.dimension, k.host, k.value, k.num_hits::integer as hits, k.bot_hits::integer as bot_hits
    from tidemark_folded_pairs_v1(ids, null, null, common, p_values_kept, 9223372036854775807, 9223372036854775807) k
  ), value as materialized (
    select d.dimension, d.value, row_number() over (order by d.dimension)::integer as ix from (select distinct p.dimension, p.value from pair p) d),
  packed as (
    select coalesce(array_agg(o.host_ix), '{}') as host_ix, coalesce(array_agg(o.value_ix), '{}') as value_ix,
           coalesce(array_agg(o.hits), '{}') as hits, coalesce(array_agg(o.bot_hits), '{}') as bot_hits,
           array[count(*) filter (where o.dimension <= 1), count(*) filter (where o.dimension <= 2), count(*) filter (where o.dimension <= 3), count(*)]::integer[] as ends
    from (
      select p.dimension, h.ix as host_ix, v.ix as value_ix, p.hits, p.bot_hits
      from pair p join host h using (host) join value v using (dimension, value) order by p.dimension
    ) o
  ), written as (
    insert into open_delta (window_start, commit_id, hits, bot_hits, keys, hosts, referrers, places, host_ix, referrer_ix, place_ix, key_hits, key_bot_hits,
        mask, value_texts, dimension_ends, value_host_ix, value_ix, value_hits, value_bot_hits)
    select w, gen_random_uuid(), x.*, case when common > 0 then common end,
           case when common > 0 then coalesce((select string_agg(d.value || E'\x1f', '' order by d.ix) from value d), '') end,
           case when common > 0 then k.ends end, case when common > 0 then k.host_ix end, case when common > 0 then k.value_ix end,
           case when common > 0 then k.hits end, case when common > 0 then k.bot_hits end
    from (
      select sum(m.num_hits), sum(m.bot_hits), count(*),
             (select string_agg(d.host || E'\x1f', '' order by d.ix) from host d),
             (select string_agg(d.referrer || E'\x1f', '' order by d.ix) from referrer d),
             (select string_agg(d.country_code || E'\x1e' || d.region || E'\x1e' || d.city || E'\x1f', '' order by d.ix) from place d),
             array_agg(h.ix), array_agg(r.ix), array_agg(p.ix), array_agg(m.num_hits::integer), array_agg(m.bot_hits::integer)
      from merged_row m join host h using (host) join referrer r using (referrer) join place p using (country_code, region, city)
    ) x cross join packed k
    returning hits, bot_hits, keys, mask, dimension_ends, value_host_ix, value_ix, value_hits, value_bot_hits
  )
  select x.hits, x.bot_hits, x.keys, x.mask is null or tidemark_breakdown_fits_v1(x.hits, x.bot_hits, x.mask, x.dimension_ends, x.value_host_ix, x.value_ix,
      x.value_hits::bigint[], x.value_bot_hits::bigint[]) as fits
    into merged from written x;
  if merged.hits is distinct from expected_hits or merged.bot_hits is distinct from expected_bots or not merged.fits then
    raise exception 'chunks of window % with % hits (% by bots) would be merged into % (%), or into breakdowns of other sums', w, expected_hits, expected_bots,
      merged.hits, merged.bot_hits using errcode = 'TM004';
  end if;
  delete from open_delta d where d.id = any(ids);
  return jsonb_build_object('state', 'compacted', 'window_start', (extract(epoch from w) * 1000)::bigint, 'chunks', cardinality(ids), 'keys', merged.keys);
end $$;
comment on function tidemark_compact_v2(integer, integer, timestamptz) is 'Merges chunks of the open window that has most of them into one, if it has that many. Counts stay as they are, but for values beyond p_values_kept a host, which fold; raises TM004 if the sums would not stay.';

-- ---- roll-ups, as those of the rows, in tables of their own: a program of the version before rolls up rows without breakdowns

create table breakdown_key (
  key_id    integer  generated always as identity primary key,
  dimension smallint not null check (dimension between 1 and 4),
  host      text     not null,
  value     text     not null,
  -- Whole texts of any length are compared: a hash index holds only a hash and checks the row.
  constraint breakdown_key_text exclude using hash ((dimension::text || E'\x1f' || host || E'\x1f' || value) with =)
);
comment on table breakdown_key is 'Dictionary of the roll-ups of breakdowns: the pair of host and value of each key_id.';
comment on column breakdown_key.key_id is 'Number of the pair.';
comment on column breakdown_key.dimension is '1 page, 2 client, 3 campaign, 4 entry channel.';
comment on column breakdown_key.host is 'Requested host; (other) if folded, (retired) once retention has dropped the days.';
comment on column breakdown_key.value is 'Value of the dimension; (other) if folded; of pages and campaigns (retired) once retention has dropped the days.';

create table breakdown_hour (
  hour_start timestamptz not null,
  dimension  smallint    not null,
  key_id     integer     not null,
  num_hits   bigint      not null,
  bot_hits   bigint      not null,
  primary key (dimension, hour_start, key_id)
);
comment on table breakdown_hour is 'Hits per hour by dimension, host and value, of days that are not packed yet.';
comment on column breakdown_hour.hour_start is 'Start of the hour (UTC), inclusive; a window belongs to the hour in which it starts.';
comment on column breakdown_hour.dimension is '1 page, 2 client, 3 campaign, 4 entry channel.';
comment on column breakdown_hour.key_id is 'Host and value, see breakdown_key.';
comment on column breakdown_hour.num_hits is 'Hits by humans and bots.';
comment on column breakdown_hour.bot_hits is 'Hits by bots, a part of num_hits.';

create table breakdown_day (
  day_start timestamptz not null,
  dimension smallint    not null,
  key_id    integer     not null,
  num_hits  bigint      not null,
  bot_hits  bigint      not null,
  primary key (dimension, day_start, key_id)
);
comment on table breakdown_day is 'Hits per UTC day by dimension, host and value.';
comment on column breakdown_day.day_start is 'Start of the UTC day, inclusive.';
comment on column breakdown_day.dimension is '1 page, 2 client, 3 campaign, 4 entry channel.';
comment on column breakdown_day.key_id is 'Host and value, see breakdown_key.';
comment on column breakdown_day.num_hits is 'Hits by humans and bots.';
comment on column breakdown_day.bot_hits is 'Hits by bots, a part of num_hits.';

create table breakdown_day_hours (
  day_start       timestamptz not null,
  dimension       smallint    not null,
  key_id          integer     not null,
  hits_before     bigint[]    not null,
  bot_hits_before bigint[]    not null,
  primary key (dimension, day_start, key_id)
);
comment on table breakdown_day_hours is 'The hours of packed days as running sums, so that any run of hours of one day is one subtraction: a local day is two of them.';
comment on column breakdown_day_hours.day_start is 'Start of the UTC day, inclusive.';
comment on column breakdown_day_hours.dimension is '1 page, 2 client, 3 campaign, 4 entry channel.';
comment on column breakdown_day_hours.key_id is 'Host and value, see breakdown_key.';
comment on column breakdown_day_hours.hits_before is '25 sums: element h + 1 holds the hits of the day before hour h.';
comment on column breakdown_day_hours.bot_hits_before is 'The same for hits by bots.';

create table breakdown_progress (
  only_row          boolean     primary key default true check (only_row),
  hours_through     timestamptz not null,
  days_through      timestamptz not null,
  forgotten_through timestamptz not null
);
-- Hours that are rolled up already have no breakdowns.
insert into breakdown_progress (hours_through, days_through, forgotten_through) select hours_through, days_through, forgotten_through from rollup_progress;
comment on table breakdown_progress is 'How far breakdowns are rolled up. Its row lock lets one instance roll up at a time.';
comment on column breakdown_progress.only_row is 'Always true: there is exactly one row.';
comment on column breakdown_progress.hours_through is 'Windows that start before this hour are rolled up.';
comment on column breakdown_progress.days_through is 'Hours before this UTC day are packed into days.';
comment on column breakdown_progress.forgotten_through is 'Hosts, pages and campaigns of days before this time are deleted, since retention has dropped their windows.';

create table breakdown_coverage (
  dimension smallint         primary key check (dimension between 1 and 5),
  since     timestamptz,
  missing   tstzmultirange   not null default '{}'
);
insert into breakdown_coverage (dimension) select generate_series(1, 5);
comment on table breakdown_coverage is 'Which windows count a dimension, of all windows that are rolled up. See tidemark_breakdown_coverage_v1 for all windows.';
comment on column breakdown_coverage.dimension is '1 page, 2 client, 3 campaign, 4 entry channel, 5 visitors.';
comment on column breakdown_coverage.since is 'Start of the first window that counts it; null before.';
comment on column breakdown_coverage.missing is 'Windows that do not count it, from two days before since on.';

create function tidemark_breakdown_key_v1(p_dimension integer, p_host text, p_value text) returns integer language sql stable
return (select k.key_id from breakdown_key k
  where k.dimension::text || E'\x1f' || k.host || E'\x1f' || k.value = p_dimension || E'\x1f' || p_host || E'\x1f' || p_value);
comment on function tidemark_breakdown_key_v1(integer, text, text) is 'Number of a pair of host and value; null if it has none.';

-- One hour or one day a call. An hour is taken when the rows' roll-up has passed it, so all its windows are closed and stay as they are.
-- Lock order: breakdown_progress alone. Returns an object with a "state": busy (another is rolling up), nothing, hour, day, forgotten.
create function tidemark_roll_up_breakdown_v1(p_values_max integer default 1000, p_max_keys bigint default 100000) returns jsonb language plpgsql volatile
set timezone = 'UTC' set jit = off set work_mem = '64MB' as $$
declare
  hour constant interval := '1 hour';
  day constant interval := '24 hours';
  p breakdown_progress%rowtype;
  r rollup_progress%rowtype;
  retired timestamptz;
  h timestamptz;
  d timestamptz;
  written bigint;
begin
  perform tidemark_require_read_committed_v1();
  select * into p from breakdown_progress for update skip locked;
  if not found then
    return jsonb_build_object('state', 'busy');
  end if;
  select * into r from rollup_progress;

  select min(x.hour_start) into h from generate_series(1, 4) n
    cross join lateral (select t.hour_start from breakdown_hour t where t.dimension = n order by t.hour_start limit 1) x;
  d := date_bin(day, h, 'epoch');
  -- A day whose last hours had no window is complete when the rows' is.
  if d + day <= p.hours_through or (d + day <= r.days_through
      and not exists (select from web_traffic_window where window_start >= p.hours_through and window_start < d + day)
      and not exists (select from web_breakdown where window_start >= p.hours_through and window_start < d + day)) then
    insert into breakdown_day (day_start, dimension, key_id, num_hits, bot_hits)
      select d, t.dimension, t.key_id, sum(t.num_hits), sum(t.bot_hits) from breakdown_hour t
      where t.hour_start >= d and t.hour_start < d + day
      group by t.dimension, t.key_id order by t.dimension, t.key_id;
    get diagnostics written = row_count;
    insert into breakdown_day_hours (day_start, dimension, key_id, hits_before, bot_hits_before)
      select d, running.dimension, running.key_id, array_agg(running.hits_before order by running.n), array_agg(running.bot_hits_before order by running.n)
      from (
        select k.dimension, k.key_id, n, coalesce(sum(t.num_hits) over past, 0)::bigint as hits_before,
               coalesce(sum(t.bot_hits) over past, 0)::bigint as bot_hits_before
        from breakdown_day k
        cross join generate_series(0, 24) n
        left join breakdown_hour t on t.dimension = k.dimension and t.key_id = k.key_id and t.hour_start = d + n * hour and n < 24
        where k.day_start = d
        window past as (partition by k.dimension, k.key_id order by n rows between unbounded preceding and 1 preceding)
      ) running
      group by running.dimension, running.key_id order by running.dimension, running.key_id;
    delete from breakdown_hour t where t.hour_start >= d and t.hour_start < d + day;
    update breakdown_progress set days_through = d + day, hours_through = greatest(hours_through, d + day);
    return jsonb_build_object('state', 'day', 'day', to_char(d, 'YYYY-MM-DD'), 'rows', written);
  end if;

  select least(s.retired_through, p.days_through) into retired from stream s;
  if retired > p.forgotten_through then
    written := tidemark_forget_breakdown_v1(retired);
    update breakdown_progress set forgotten_through = retired;
    return jsonb_build_object('state', 'forgotten', 'rows', written);
  end if;

  -- A program of the version before may have retired windows of which breakdowns are left.
  h := date_bin(hour, least((select min(window_start) from web_traffic_window where window_start >= p.hours_through),
    (select min(window_start) from web_breakdown where window_start >= p.hours_through)), 'epoch');
  if h is null or h + hour > r.hours_through then
    return jsonb_build_object('state', 'nothing');
  end if;
  with counted as materialized (
    select k.dimension, k.host, k.value, k.num_hits, k.bot_hits, tidemark_breakdown_key_v1(k.dimension, k.host, k.value) as key_id
    from tidemark_folded_pairs_v1(null, h, h + hour, 15, p_values_max, p_max_keys, 268435456) k
  ), made as (
    insert into breakdown_key (dimension, host, value) select c.dimension, c.host, c.value from counted c where c.key_id is null order by 1, 2, 3
    returning key_id, dimension, host, value
  )
  insert into breakdown_hour (hour_start, dimension, key_id, num_hits, bot_hits)
    select h, c.dimension, coalesce(c.key_id, m.key_id), c.num_hits, c.bot_hits
    from counted c left join made m on m.dimension = c.dimension and m.host = c.host and m.value = c.value
    order by 2, 3;
  get diagnostics written = row_count;
  if exists (
    select from (select b.dimension, sum(b.hits) as hits, sum(b.bot_hits) as bot_hits from web_breakdown b
      where b.window_start >= h and b.window_start < h + hour group by 1) b
    full join (select t.dimension, sum(t.num_hits) as hits, sum(t.bot_hits) as bot_hits from breakdown_hour t where t.hour_start = h group by 1) t using (dimension)
    where (b.hits, b.bot_hits) is distinct from (t.hits, t.bot_hits)
  ) then
    raise exception 'the hour % would be rolled up into other sums than those of its windows', h using errcode = 'TM004';
  end if;
  update breakdown_coverage c set since = x.since,
      missing = x.missing * tstzmultirange(tstzrange(coalesce(x.since, h) - interval '2 days', null))
    from (
      select k.dimension, coalesce(k.since, min(w.window_start) filter (where coalesce(w.mask, 0) >> (k.dimension - 1) & 1 = 1)) as since,
             k.missing + coalesce(range_agg(tstzrange(w.window_start, w.window_end)) filter (where coalesce(w.mask, 0) >> (k.dimension - 1) & 1 = 0), '{}') as missing
      from breakdown_coverage k cross join web_traffic_window w
      where w.window_start >= h and w.window_start < h + hour
      group by k.dimension, k.since, k.missing
    ) x
    where x.dimension = c.dimension;
  update breakdown_progress set hours_through = h + hour;
  return jsonb_build_object('state', 'hour', 'hour_start', (extract(epoch from h) * 1000)::bigint, 'rows', written);
end $$;
comment on function tidemark_roll_up_breakdown_v1(integer, bigint) is
  'Rolls up the breakdowns of the oldest hour that the rows'' roll-up has passed, or packs the oldest day whose hours all are, once. Raises TM004 if a dimension would not add up to its windows. Call it again until it returns nothing.';

-- A path or a campaign may hold what retention is meant to delete, clients and channels are closed lists: so the sums of retired days keep those.
create function tidemark_retired_value_v1(p_dimension integer, p_value text) returns text language sql immutable parallel safe
return case when p_dimension in (1, 3) then '(retired)' else p_value end;
comment on function tidemark_retired_value_v1(integer, text) is 'What is left of a value when its day is retired.';

create function tidemark_forget_breakdown_v1(p_through timestamptz) returns bigint language plpgsql volatile
set timezone = 'UTC' set jit = off set work_mem = '64MB' as $$
declare
  kept constant text := '(retired)';
  gone_rows bigint;
begin
  insert into breakdown_key (dimension, host, value)
    select t.dimension, kept, t.value
    from (select distinct k.dimension, tidemark_retired_value_v1(k.dimension, k.value) as value
          from breakdown_day x join breakdown_key k using (key_id) where x.day_start < p_through and k.host <> kept) t
    where tidemark_breakdown_key_v1(t.dimension, kept, t.value) is null
    order by 1, 3;
  with gone as (
    delete from breakdown_day x using breakdown_key k
    where k.key_id = x.key_id and k.host <> kept and x.day_start < p_through
    returning x.day_start, x.dimension, tidemark_retired_value_v1(x.dimension, k.value) as value, x.num_hits, x.bot_hits
  ), summed as (
    insert into breakdown_day (day_start, dimension, key_id, num_hits, bot_hits)
    select g.day_start, g.dimension, tidemark_breakdown_key_v1(g.dimension, kept, g.value), sum(g.num_hits), sum(g.bot_hits) from gone g
    group by g.day_start, g.dimension, g.value
  )
  select count(*) into gone_rows from gone;
  with gone as (
    delete from breakdown_day_hours x using breakdown_key k
    where k.key_id = x.key_id and k.host <> kept and x.day_start < p_through
    returning x.day_start, x.dimension, tidemark_retired_value_v1(x.dimension, k.value) as value, x.hits_before, x.bot_hits_before
  ), summed as (
    select g.day_start, g.dimension, g.value, u.n, sum(u.hits)::bigint as hits, sum(u.bots)::bigint as bots
    from gone g cross join lateral unnest(g.hits_before, g.bot_hits_before) with ordinality as u(hits, bots, n) group by 1, 2, 3, 4
  )
  insert into breakdown_day_hours (day_start, dimension, key_id, hits_before, bot_hits_before)
    select s.day_start, s.dimension, tidemark_breakdown_key_v1(s.dimension, kept, s.value), array_agg(s.hits order by s.n), array_agg(s.bots order by s.n)
    from summed s group by s.day_start, s.dimension, s.value;
  delete from breakdown_key k where k.host <> kept
    and not exists (select from breakdown_day x where x.key_id = k.key_id and x.dimension = k.dimension)
    and not exists (select from breakdown_hour x where x.key_id = k.key_id and x.dimension = k.dimension);
  return gone_rows;
end $$;
comment on function tidemark_forget_breakdown_v1(timestamptz) is 'Adds up packed days before a time without hosts, pages and campaigns, and deletes keys that nothing uses. Sums by dimension stay. Returns how many sums it replaced.';

-- ---- retention

-- Breakdowns, late records and sketches of days that are retired. Rolled-up windows only.
create function tidemark_drop_breakdowns_v1(p_through timestamptz) returns void language plpgsql volatile
set timezone = 'UTC' as $$
declare
  hour constant interval := '1 hour';
  kept constant text := '(retired)';
begin
  delete from web_breakdown b where b.window_start < least(p_through, (select p.hours_through from breakdown_progress p));
  with gone as (
    delete from late_breakdown t where t.window_start < p_through and t.host <> kept
    returning t.window_start, t.dimension, t.value, t.num_hits, t.bot_hits
  )
  insert into late_breakdown (window_start, dimension, host, value, num_hits, bot_hits)
    select date_bin(hour, g.window_start, 'epoch'), g.dimension, kept, tidemark_retired_value_v1(g.dimension, g.value), sum(g.num_hits), sum(g.bot_hits)
    from gone g group by 1, 2, 4;
  -- How many visitors all hosts had together is kept.
  delete from visitor_sketch v where v.day < (p_through at time zone 'UTC')::date and v.host <> '';
  update visitor_sketch v set registers = null
    where v.day < (p_through at time zone 'UTC')::date and v.host = '' and v.visitors is not null and v.registers is not null;
end $$;
comment on function tidemark_drop_breakdowns_v1(timestamptz) is 'Drops what names hosts, pages, campaigns or visitors in time that is retired and rolled up. Sums stay. Idempotent.';

-- As tidemark_retire_v2, which does its own part of it. Lock order: rollup_progress, breakdown_progress, stream row.
create function tidemark_retire_v3(p_before date) returns jsonb language plpgsql volatile
set timezone = 'UTC' as $$
declare
  day constant interval := '24 hours';
  kept constant text := '(retired)';
  p breakdown_progress%rowtype;
  d timestamptz;
  result jsonb;
begin
  perform tidemark_require_read_committed_v1();
  perform from rollup_progress for update skip locked;
  if not found then
    return jsonb_build_object('state', 'busy');
  end if;
  select * into p from breakdown_progress for update skip locked;
  if not found then
    return jsonb_build_object('state', 'busy');
  end if;
  perform from stream for update;
  d := date_bin(day, least((select min(window_start) from web_traffic_window),
    (select min(window_start) from late_web_traffic where (host, referrer) <> (kept, kept))), 'epoch');
  -- Of a day that is not closed, tidemark_retire_v2 says so.
  if d < p_before::timestamp at time zone 'UTC' and (select s.closed_through from stream s) >= d + day
      and not exists (select from open_delta where window_start < d + day) and (
      exists (select from web_traffic_window where window_start >= p.hours_through and window_start < d + day)
      or exists (select from web_breakdown where window_start >= p.hours_through and window_start < d + day)
      or exists (select from breakdown_hour where hour_start < d + day)) then
    return jsonb_build_object('state', 'waiting', 'day', to_char(d, 'YYYY-MM-DD'), 'reason', 'not_rolled_up');
  end if;
  result := tidemark_retire_v2(p_before);
  if result ->> 'state' = 'retired' then
    perform tidemark_close_visitors_v1();
    perform tidemark_drop_breakdowns_v1(d + day);
  end if;
  return result;
end $$;
comment on function tidemark_retire_v3(date) is 'Retires the oldest UTC day before a day, if its rows and breakdowns are rolled up; keeps the sums by hour that name no host, page or campaign. Call it again until it returns nothing.';

-- A program of the version before retires days without their breakdowns.
create function tidemark_prune_v2() returns bigint language plpgsql volatile as $$
begin
  perform tidemark_drop_breakdowns_v1(coalesce((select s.retired_through from stream s), '-infinity'));
  return tidemark_prune_v1();
end $$;
comment on function tidemark_prune_v2() is 'As tidemark_prune_v1; also drops the breakdowns of retired days that are left.';

-- ---- reports

create view web_breakdown_row as
select b.window_start, case b.dimension when 1 then 'page' when 2 then 'client' when 3 then 'campaign' else 'entry_channel' end as dimension,
       k.host, k.value, k.num_hits, k.bot_hits
from web_breakdown b
cross join lateral tidemark_chunk_pairs_v1(1 << (b.dimension - 1), b.hosts, b.value_texts, tidemark_dimension_ends_v1(b.dimension, b.keys), b.host_ix, b.value_ix,
  b.key_hits, b.key_bot_hits) k;
comment on view web_breakdown_row is 'Closed windows by dimension: one row per window, dimension, host and value.';
comment on column web_breakdown_row.window_start is 'Start of the window, inclusive.';
comment on column web_breakdown_row.dimension is 'page, client, campaign or entry_channel.';
comment on column web_breakdown_row.host is 'Requested host; (other) in the row that folds the pairs beyond all bounds.';
comment on column web_breakdown_row.value is 'Page: a path, or why no page was viewed, in parentheses. Client: browser, system and device, separated by U+001E. Campaign: source, medium and name, separated by U+001E, or (none). (other) folds the values beyond BREAKDOWN_VALUES_MAX.';
comment on column web_breakdown_row.num_hits is 'Hits by humans and bots.';
comment on column web_breakdown_row.bot_hits is 'Hits by bots, a part of num_hits.';

-- Windows of old programs, of settings without the dimension, and open windows with such a chunk.
create function tidemark_breakdown_coverage_v1() returns table (dimension smallint, since timestamptz, missing tstzmultirange) language sql stable rows 5
begin atomic
  with recent as (
    select w.window_start, w.window_end, coalesce(w.mask, 0) as mask
    from web_traffic_window w where w.window_start >= (select p.hours_through from breakdown_progress p)
    union all
    select d.window_start, d.window_start + (select s.window_size_ms * interval '1 millisecond' from stream s), bit_and(coalesce(d.mask, 0))
    from open_delta d group by d.window_start
  )
  select c.dimension, coalesce(c.since, min(r.window_start) filter (where r.mask >> (c.dimension - 1) & 1 = 1)),
         c.missing + coalesce(range_agg(tstzrange(r.window_start, r.window_end)) filter (where r.mask >> (c.dimension - 1) & 1 = 0), '{}')
  from breakdown_coverage c left join recent r on true
  group by c.dimension, c.since, c.missing
  order by c.dimension;
end;
comment on function tidemark_breakdown_coverage_v1() is
  'For each dimension (1 page, 2 client, 3 campaign, 4 entry channel, 5 visitors) the start of the first window that counts it, and the windows from then on (and up to two days before) that do not. Its numbers are unknown in those, and before since.';

create function tidemark_pieces_v1(p_bucket integer[], p_start timestamptz[], p_end timestamptz[], p_hours_through timestamptz, p_days_through timestamptz)
returns table (kind text, bucket integer, a timestamptz, b timestamptz, h_from integer, h_to integer) language sql stable rows 10
begin atomic
  with piece as (
    select t.bucket, t.a, t.b, r.ha, r.hb, d.da, d.db, least(r.hb, p_days_through) as packed_through
    from unnest(p_bucket, p_start, p_end) as t(bucket, a, b)
    cross join lateral (select date_bin('1 hour', t.a + interval '1 hour' - interval '1 microsecond', 'epoch') as ha,
                               least(date_bin('1 hour', t.b, 'epoch'), p_hours_through) as hb) r
    cross join lateral (select date_bin('24 hours', r.ha + interval '24 hours' - interval '1 microsecond', 'epoch') as da,
                               least(date_bin('24 hours', t.b, 'epoch'), p_days_through) as db) d
    where t.a < t.b
  ), cut(kind, bucket, a, b) as (
    select 'day', t.bucket, t.da, t.db from piece t
    union all
    select 'edge', t.bucket, t.ha, case when t.da < t.db then t.da else t.packed_through end from piece t
    union all
    select 'edge', t.bucket, t.db, t.packed_through from piece t where t.da < t.db
    union all
    select 'hour', t.bucket, greatest(t.ha, p_days_through), t.hb from piece t
    union all
    select 'rest', t.bucket, t.a, case when t.ha < t.hb then t.ha else t.b end from piece t
    union all
    select 'rest', t.bucket, t.hb, t.b from piece t where t.ha < t.hb
  ), kept as (
    select * from cut c where c.a < c.b
  )
  select c.kind, c.bucket, c.a, c.b, null::integer, null::integer from kept c where c.kind <> 'edge'
  union all
  select c.kind, c.bucket, u.utc_day, u.utc_day + interval '24 hours',
         (extract(epoch from greatest(c.a, u.utc_day) - u.utc_day) / 3600)::integer, (extract(epoch from least(c.b, u.utc_day + interval '24 hours') - u.utc_day) / 3600)::integer
  from kept c cross join lateral generate_series(date_bin('24 hours', c.a, 'epoch'), c.b - interval '1 microsecond', interval '24 hours') as u(utc_day)
  where c.kind = 'edge';
end;
comment on function tidemark_pieces_v1(integer[], timestamptz[], timestamptz[], timestamptz, timestamptz) is
  'Cuts intervals [p_start, p_end) into what answers them: day (whole packed days), edge (hours h_from to h_to of the packed day a), hour (rolled-up hours), rest (windows).';

-- Buckets as in tidemark_hits_v2: a window belongs to the interval in which it starts, and several intervals may share a bucket.
create function tidemark_breakdown_v1(p_dimension smallint, p_bucket integer[], p_start timestamptz[], p_end timestamptz[], p_hosts text[],
  p_late boolean, p_limit integer)
returns table (bucket integer, value text, num_hits numeric, bot_hits numeric) language plpgsql stable rows 1000
set timezone = 'UTC' set jit = off set work_mem = '64MB' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  dimension_bit constant integer := 1 << (p_dimension - 1);
  p breakdown_progress%rowtype;
  day_bucket integer[]; day_from timestamptz[]; day_to timestamptz[];
  edge_bucket integer[]; edge_day timestamptz[]; edge_from integer[]; edge_to integer[];
  hour_bucket integer[]; hour_from timestamptz[]; hour_to timestamptz[];
  rest_bucket integer[]; rest_from timestamptz[]; rest_to timestamptz[];
begin
  select * into p from breakdown_progress;
  -- Arrays, not a subquery: only then does the planner know how few they are, and reads by index.
  select array_agg(x.bucket) filter (where x.kind = 'day'), array_agg(x.a) filter (where x.kind = 'day'), array_agg(x.b) filter (where x.kind = 'day'),
         array_agg(x.bucket) filter (where x.kind = 'edge'), array_agg(x.a) filter (where x.kind = 'edge'),
         array_agg(x.h_from) filter (where x.kind = 'edge'), array_agg(x.h_to) filter (where x.kind = 'edge'),
         array_agg(x.bucket) filter (where x.kind = 'hour'), array_agg(x.a) filter (where x.kind = 'hour'), array_agg(x.b) filter (where x.kind = 'hour'),
         array_agg(x.bucket) filter (where x.kind = 'rest'), array_agg(x.a) filter (where x.kind = 'rest'), array_agg(x.b) filter (where x.kind = 'rest')
  into day_bucket, day_from, day_to, edge_bucket, edge_day, edge_from, edge_to, hour_bucket, hour_from, hour_to, rest_bucket, rest_from, rest_to
  from tidemark_pieces_v1(p_bucket, p_start, p_end, p.hours_through, p.days_through) x;
  return query
  with rolled as (
    select t.bucket, t.key_id, sum(t.num_hits) as num_hits, sum(t.bot_hits) as bot_hits
    from (
      select t.bucket, x.key_id, x.num_hits, x.bot_hits
      from unnest(day_bucket, day_from, day_to) as t(bucket, a, b)
      join breakdown_day x on x.dimension = p_dimension and x.day_start >= t.a and x.day_start < t.b
      union all
      select t.bucket, x.key_id, x.hits_before[t.h_to + 1] - x.hits_before[t.h_from + 1],
             x.bot_hits_before[t.h_to + 1] - x.bot_hits_before[t.h_from + 1]
      from unnest(edge_bucket, edge_day, edge_from, edge_to) as t(bucket, utc_day, h_from, h_to)
      join breakdown_day_hours x on x.dimension = p_dimension and x.day_start = t.utc_day
      union all
      select t.bucket, x.key_id, x.num_hits, x.bot_hits
      from unnest(hour_bucket, hour_from, hour_to) as t(bucket, a, b)
      join breakdown_hour x on x.dimension = p_dimension and x.hour_start >= t.a and x.hour_start < t.b
    ) t
    group by t.bucket, t.key_id
  ), found as (
    select r.bucket, k.host, k.value, r.num_hits, r.bot_hits from rolled r join breakdown_key k using (key_id)
    union all
    select t.bucket, k.host, k.value, k.num_hits, k.bot_hits
    from unnest(rest_bucket, rest_from, rest_to) as t(bucket, a, b)
    join web_breakdown w on w.dimension = p_dimension and w.window_start >= t.a and w.window_start < t.b
    cross join lateral tidemark_chunk_pairs_v1(1 << (w.dimension - 1), w.hosts, w.value_texts, tidemark_dimension_ends_v1(w.dimension, w.keys), w.host_ix, w.value_ix,
      w.key_hits, w.key_bot_hits) k
    union all
    -- As the closing will: a window counts what all its chunks count.
    select t.bucket, k.host, k.value, k.num_hits, k.bot_hits
    from (select d.window_start from open_delta d group by d.window_start having bit_and(coalesce(d.mask, 0)) & dimension_bit > 0) o
    join unnest(rest_bucket, rest_from, rest_to) as t(bucket, a, b) on o.window_start >= t.a and o.window_start < t.b
    join open_delta d on d.window_start = o.window_start
    cross join lateral tidemark_chunk_pairs_v1(dimension_bit, d.hosts, d.value_texts, d.dimension_ends, d.value_host_ix, d.value_ix,
      d.value_hits::bigint[], d.value_bot_hits::bigint[]) k
    union all
    select t.bucket, x.host, x.value, x.num_hits, x.bot_hits
    from unnest(p_bucket, p_start, p_end) as t(bucket, a, b)
    join late_breakdown x on x.dimension = p_dimension and x.window_start >= t.a and x.window_start < t.b
    where p_late
  ), summed as (
    select f.bucket, f.value, sum(f.num_hits) as num_hits, sum(f.bot_hits) as bot_hits
    from found f where p_hosts is null or f.host = any(p_hosts) group by f.bucket, f.value
  ), ranked as (
    select s.*, row_number() over (partition by s.bucket order by s.num_hits desc, s.value collate "C") as n from summed s where s.num_hits > 0
  )
  select r.bucket, case when r.n > p_limit then '(other)' else r.value end, sum(r.num_hits), sum(r.bot_hits) from ranked r group by 1, 2;
end $$;
comment on function tidemark_breakdown_v1(smallint, integer[], timestamptz[], timestamptz[], text[], boolean, integer) is
  'Hits per bucket and value of one dimension (1 page, 2 client, 3 campaign, 4 entry channel) over intervals of time. p_hosts null: all hosts; p_late: with late records; p_limit null: all values, else in each bucket those with the most hits, and the rest added to (other).';

-- Values of clients are split here: the sums of browser, system and device are equal by construction.
create function breakdown_report(p_from date, p_to date, p_tz text default 'UTC', p_by text default 'page', p_hosts text[] default null,
  p_traffic text default 'all', p_late text default 'exclude', p_limit integer default null)
returns table (rank bigint, value text, num_hits bigint, percentage_contribution numeric, total_hits bigint, total_rows bigint,
  counted_since timestamptz, is_final boolean)
language plpgsql stable rows 1000
set timezone = 'UTC' set jit = off set work_mem = '64MB' as $$
#variable_conflict use_column
declare
  part constant integer := case p_by when 'browser' then 1 when 'os' then 2 when 'device' then 3 end;
  number constant smallint := case when p_by = 'page' then 1 when part is not null then 2 when p_by = 'campaign' then 3 when p_by = 'entry_channel' then 4 end;
  starts timestamptz[];
  ends timestamptz[];
  since timestamptz;
  final boolean;
begin
  if number is null or p_traffic not in ('all', 'human', 'bot') or p_late not in ('include', 'exclude') then
    raise exception 'by is page, browser, os, device, campaign or entry_channel; traffic all, human or bot; late include or exclude'
      using errcode = '22023';
  end if;
  select array_agg(lower(i)), array_agg(upper(i)) into starts, ends
    from unnest(tidemark_known_time_v2(p_from, p_to, p_tz, p_hosts is not null)) i;
  select t.since into since from tidemark_breakdown_coverage_v1() t where t.dimension = number;
  select g.final_through >= tidemark_last_window_end_v1(tidemark_day_start_v2(p_to + 1, p_tz)) into final from stream_progress g;
  return query
    with hit as (
      select case when part is null or strpos(h.value, E'\x1e') = 0 then h.value else split_part(h.value, E'\x1e', part) end as value,
             case p_traffic when 'human' then h.num_hits - h.bot_hits when 'bot' then h.bot_hits else h.num_hits end as hits
      from tidemark_breakdown_v1(number, array_fill(1, array[coalesce(cardinality(starts), 0)]), starts, ends, p_hosts, p_late = 'include', null) h
    ), summed as (
      select t.value, sum(t.hits) as hits from hit t group by 1 having sum(t.hits) > 0
    ), listed as (
      select s.*, row_number() over (order by s.hits desc, s.value collate "C") as rank, sum(s.hits) over () as total, count(*) over () as all_rows from summed s
    )
    select l.rank, l.value, l.hits::bigint, round(100 * l.hits / l.total, 4), l.total::bigint, l.all_rows,
           since, coalesce(final, false)
    from listed l order by l.rank limit p_limit;
end $$;
comment on function breakdown_report(date, date, text, text, text[], text, text, integer) is
  'Hits by page, browser, os, device, campaign or entry_channel (p_by) over local days of the time zone p_tz, both inclusive. Further arguments by name: p_hosts (null: all), p_traffic all|human|bot, p_late include|exclude, p_limit. Of pages, values in parentheses are hits that viewed none. A campaign is source, medium and name, separated by U+001E. (other) folds the values beyond BREAKDOWN_VALUES_MAX. Windows before counted_since, windows of programs or settings that do not count it, and days with a data gap are in no sum.';

-- A day counts as not counted if a part of it is: an estimate of a part would be too small.
create function tidemark_visitors_v1(p_from date, p_to date, p_hosts text[]) returns table (day date, visitors double precision, state text)
language plpgsql stable rows 100
set timezone = 'UTC' set jit = off set work_mem = '64MB' as $$
#variable_conflict use_column
declare
  first_open constant date := (select (s.closed_through at time zone 'UTC')::date from stream s);
  first_kept constant date := (select (s.retired_through at time zone 'UTC')::date from stream s);
  asked constant text[] := coalesce(p_hosts, array['']);
  c record;
begin
  if p_from is null or p_to is null or p_to < p_from or p_to - p_from > 2400 then
    raise exception 'the range % to % is not 1 to 2401 days', p_from, p_to using errcode = '22023';
  end if;
  select * into strict c from tidemark_breakdown_coverage_v1() t where t.dimension = 5;
  return query
    with known as (
      select a.day, case
          when exists (select from data_gap g where g.from_time < a.day_end and g.to_time >= a.day_start) then 'gap'
          when c.since is null or a.day_end <= c.since or c.missing && tstzrange(a.day_start, a.day_end) then 'not_counted'
          when a.day < first_kept and p_hosts is not null then 'retired'
          when a.day < first_open then 'closed' else 'open' end as state
      from (select p_from + n as day, (p_from + n)::timestamp at time zone 'UTC' as day_start, (p_from + n + 1)::timestamp at time zone 'UTC' as day_end
            from generate_series(0, p_to - p_from) n) a
    )
    select k.day, case when k.state in ('closed', 'open') then coalesce(
        (select v.visitors from visitor_sketch v where v.day = k.day and v.host = asked[1] and cardinality(asked) = 1),
        tidemark_estimate_updates_v1(array(
          select max(u.item)
          from (
            select x.item from visitor_sketch v cross join lateral tidemark_sketch_updates_v1(v.registers) x
            where v.day = k.day and v.host = any(asked) and v.registers is not null
            union all
            select x.item from open_visitor o cross join lateral tidemark_chunk_updates_v1(o.hosts, o.host_ix, o.updates) x
            where o.day = k.day and (p_hosts is null or x.host = any(asked))
          ) u
          group by u.item >> 6))) end,
      k.state
    from known k order by k.day;
end $$;
comment on function tidemark_visitors_v1(date, date, text[]) is
  'Visitors of each UTC day from p_from to p_to, both inclusive, of all hosts (p_hosts null) or of the union of some; an estimate with a standard error of 0.81 %, not rounded, without bots and late records. state: closed, open (so far), or why there is no number: not_counted (not in every window of the day), gap, retired (only all hosts together are kept).';

-- ---- checks of the ledger

create function tidemark_breakdown_faults_v1(p_from timestamptz, p_to timestamptz)
returns table (what text, window_start timestamptz, dimension smallint, expected numeric, found numeric) language sql stable rows 1
set jit = off set work_mem = '64MB'
begin atomic
  with booked as (
    select w.window_start, w.hits, w.bot_hits, w.mask from web_traffic_window w where w.window_start >= p_from and w.window_start < p_to
  ), expected as (
    select b.window_start, d::smallint as dimension, b.hits, b.bot_hits from booked b cross join generate_series(1, 4) d where b.mask >> (d - 1) & 1 = 1
  ), stored as (
    -- Breakdowns of retired windows may stay for a while.
    select w.*, s.num_hits as found_hits, s.bot_hits as found_bots
    from web_breakdown w
    join lateral tidemark_dimension_sums_v1(tidemark_dimension_ends_v1(w.dimension, w.keys), w.key_hits, w.key_bot_hits) s on s.dimension = w.dimension
    where w.window_start >= greatest(p_from, (select s.retired_through from stream s)) and w.window_start < p_to
  ), by_host as (
    select w.window_start, w.dimension, k.host, sum(k.num_hits) as hits
    from stored w
    cross join lateral tidemark_chunk_pairs_v1(1 << (w.dimension - 1), w.hosts, w.value_texts, tidemark_dimension_ends_v1(w.dimension, w.keys), w.host_ix, w.value_ix,
      w.key_hits, w.key_bot_hits) k
    group by 1, 2, 3
  ), row_host as (
    select t.window_start, t.host, sum(t.num_hits) as hits from aggregated_web_traffic t where t.window_start >= p_from and t.window_start < p_to group by 1, 2
  ), folded as (
    select h.window_start from by_host h where h.host = '(other)'
    union
    select h.window_start from row_host h where h.host = '(other)'
  )
  select 'window', coalesce(e.window_start, w.window_start), coalesce(e.dimension, w.dimension), e.hits::numeric, w.found_hits::numeric
  from expected e full join stored w on w.window_start = e.window_start and w.dimension = e.dimension
  where (e.hits, e.bot_hits) is distinct from (w.found_hits, w.found_bots) or (e.hits, e.bot_hits) is distinct from (w.hits, w.bot_hits)
  union all
  select 'digest', w.window_start, w.dimension, w.hits, w.found_hits from stored w
  where w.digest <> tidemark_breakdown_digest_v1(w.window_start, w.dimension, w.hosts, w.value_texts, w.host_ix, w.value_ix, w.key_hits, w.key_bot_hits)
  union all
  -- Neither side has folded hosts: then each host has the hits that its rows have.
  select 'host', coalesce(h.window_start, r.window_start), coalesce(h.dimension, r.dimension), sum(r.hits), sum(h.hits)
  from by_host h full join (select r.window_start, r.host, r.hits, w.dimension from row_host r join stored w using (window_start)) r
    on r.window_start = h.window_start and r.dimension = h.dimension and r.host = h.host
  where h.hits is distinct from r.hits and not exists (select from folded f where f.window_start = coalesce(h.window_start, r.window_start))
  group by 2, 3
  union all
  select 'chunk', d.window_start, null::smallint, d.hits, null from open_delta d
  where d.mask is not null and not tidemark_breakdown_fits_v1(d.hits, d.bot_hits, d.mask, d.dimension_ends, d.value_host_ix, d.value_ix,
    d.value_hits::bigint[], d.value_bot_hits::bigint[])
  union all
  -- Late records of a program of the version before have none: so not more, instead of as many.
  select 'late', null, t.dimension, (select coalesce(sum(l.num_hits), 0) from late_web_traffic l), sum(t.num_hits)
  from late_breakdown t group by t.dimension having sum(t.num_hits) > (select coalesce(sum(l.num_hits), 0) from late_web_traffic l)
  union all
  select 'sketch', v.day::timestamp at time zone 'UTC', 5::smallint, null, null from visitor_sketch v
  where v.registers is not null and not tidemark_sketch_ok_v1(v.registers)
    and v.day >= (p_from at time zone 'UTC')::date and v.day <= (p_to at time zone 'UTC')::date
  union all
  select 'salt', v.day::timestamp at time zone 'UTC', 5::smallint, null, null from visitor_salt v
  where v.day < (select (s.closed_through at time zone 'UTC')::date from stream s) - 1;
end;
comment on function tidemark_breakdown_faults_v1(timestamptz, timestamptz) is
  'What does not hold of the breakdowns of closed windows that start in [p_from, p_to), of all open chunks, late records, sketches and salts; no row if all is well. what: window (a dimension does not add up to its window, or is missing), digest (changed after the closing), host (a host has not the hits of its rows), chunk, late (more than late_web_traffic holds), sketch (not in its form), salt (left of a closed day).';
