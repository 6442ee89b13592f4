-- Made from the migrations beside this file by `deno task docs`: do not edit. For psql, and for the entry point of PostgreSQL's container image.
-- A schema made by it is the same as one made by `tidemark migrate`, which takes it from here.
\set ON_ERROR_STOP on

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 1) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
-- Why: the tables of one stream. PostgreSQL is the only state: positions, open deltas and closed rows change together or not at all.
-- One schema holds one stream. Every statement is written without a schema name: the connection's search_path decides.

create table stream (
  only_row              boolean     primary key default true check (only_row),
  source                text        not null check (source in ('kafka', 'file', 'demo')),
  topic                 text        not null,
  topic_id              text,
  consumer_group        text        not null,
  window_size_ms        bigint      not null check (window_size_ms > 0 and 86400000 % window_size_ms = 0),
  referrer_granularity  text        not null check (referrer_granularity in ('raw', 'origin', 'domain')),
  key_bytes_max         integer     not null check (key_bytes_max >= 64),
  offsets_count_records boolean     not null,
  anchor                timestamptz not null,
  created_at            timestamptz not null default now(),
  closed_through        timestamptz not null default '-infinity',
  data_revision         bigint      not null default 0,
  retired_hits          bigint      not null default 0,
  retired_late          bigint      not null default 0,
  retired_through       timestamptz not null default '-infinity',
  stopped_code          text,
  stopped_message       text,
  stopped_at            timestamptz
);
comment on table stream is 'The one stream of this schema: what it was made with, how far its windows are closed, and why it is stopped. Its row lock serialises joining, closing and retention.';
comment on column stream.only_row is 'Always true: there is exactly one row.';
comment on column stream.source is 'Kind of log that is read: kafka, file or demo.';
comment on column stream.topic is 'Kafka topic, file path or glob, or generator name.';
comment on column stream.topic_id is 'Identity of the log (Kafka topic id, KIP-516, in hex); null where the broker knows none.';
comment on column stream.consumer_group is 'Kafka consumer group.';
comment on column stream.window_size_ms is 'Length of a tumbling window in milliseconds; divides a day.';
comment on column stream.referrer_granularity is 'What of a referrer is kept: raw, origin or domain.';
comment on column stream.key_bytes_max is 'Longest host or referrer kept, in bytes of UTF-8; longer ones end in a hash.';
comment on column stream.offsets_count_records is 'True where an offset counts records, so that the ledger accounts for every offset (false for files: bytes).';
comment on column stream.anchor is 'UTC midnight from which the demo generator counts; for other sources the time of the first start.';
comment on column stream.created_at is 'When the stream was first started.';
comment on column stream.closed_through is 'Every window that ends at or before this time is closed; new partitions start with this watermark.';
comment on column stream.data_revision is 'Rises by one with every closed window and retired day: readers may cache by it, together with the late counts.';
comment on column stream.retired_hits is 'Hits of closed windows that retention has dropped.';
comment on column stream.retired_late is 'Late hits that retention has dropped.';
comment on column stream.retired_through is 'Windows before this time may have been dropped by retention.';
comment on column stream.stopped_code is 'Named error for which the stream is stopped until an operator resumes it; null while it may run.';
comment on column stream.stopped_message is 'The error in words.';
comment on column stream.stopped_at is 'When it stopped.';

create table stream_partition (
  partition        integer     primary key check (partition >= 0),
  commit_id        uuid        not null default gen_random_uuid(),
  next_offset      bigint      not null check (next_offset >= first_offset),
  first_offset     bigint      not null check (first_offset >= 0),
  watermark        timestamptz not null,
  record_watermark timestamptz not null default '-infinity',
  max_window_end   timestamptz not null default '-infinity',
  raised_at        timestamptz not null default now(),
  quiet_since      timestamptz,
  counted          bigint      not null default 0,
  late             bigint      not null default 0,
  late_dropped     bigint      not null default 0,
  dead             bigint      not null default 0,
  null_records     bigint      not null default 0,
  skipped          bigint      not null default 0,
  retired          boolean     not null default false,
  updated_at       timestamptz not null default now()
);
comment on table stream_partition is 'Position, watermark and ledger of each partition. Where offsets count records: next_offset - first_offset = counted + late + dead + null_records + skipped.';
comment on column stream_partition.partition is 'Partition number in its topic.';
comment on column stream_partition.commit_id is 'Random id of the last commit that moved this row: half of the compare of compare-and-swap.';
comment on column stream_partition.next_offset is 'Next record to read: the other half of the compare.';
comment on column stream_partition.first_offset is 'Offset at which this stream began to read the partition.';
comment on column stream_partition.watermark is 'Records of windows that end at or before this time are late in this partition. Never decreases.';
comment on column stream_partition.record_watermark is 'The watermark as raised by records alone, without idle advances: what it confirms is final.';
comment on column stream_partition.max_window_end is 'End of the highest window that holds a counted record of this partition.';
comment on column stream_partition.raised_at is 'When a record last raised the watermark (processing time); idleness is measured from here, across restarts.';
comment on column stream_partition.quiet_since is 'Set while the watermark stands on an idle advance that no later record has confirmed: the start of the silence.';
comment on column stream_partition.counted is 'Records counted into windows.';
comment on column stream_partition.late is 'Records whose window had closed for this partition, dropped ones included.';
comment on column stream_partition.late_dropped is 'Late records that LATE_POLICY=drop counted here only.';
comment on column stream_partition.dead is 'Records that can never be counted (dead letters).';
comment on column stream_partition.null_records is 'Records with a null value (tombstones).';
comment on column stream_partition.skipped is 'Offsets without a delivered record: control, aborted, compacted, accepted gaps.';
comment on column stream_partition.retired is 'True for a partition that an operator declared gone: it no longer holds windows open.';
comment on column stream_partition.updated_at is 'When the row last changed.';

create table open_delta (
  id             bigint      generated always as identity primary key,
  window_start   timestamptz not null,
  commit_id      uuid        not null,
  hits           bigint      not null check (hits > 0),
  bot_hits       bigint      not null check (bot_hits between 0 and hits),
  keys           integer     not null check (keys > 0),
  hosts          text        not null,
  referrers      text        not null,
  places         text        not null,
  host_ix        integer[]   not null,
  referrer_ix    integer[]   not null,
  place_ix       integer[]   not null,
  key_hits       integer[]   not null,
  key_bot_hits   integer[]   not null
);
create index open_delta_window on open_delta (window_start);
-- Arrays of small integers that live for minutes: compressing them costs more than it saves.
alter table open_delta
  alter column hosts set storage external, alter column referrers set storage external, alter column places set storage external,
  alter column host_ix set storage external, alter column referrer_ix set storage external, alter column place_ix set storage external,
  alter column key_hits set storage external, alter column key_bot_hits set storage external;
alter table open_delta set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on table open_delta is 'What one commit counted in one window that is not closed yet: a self-contained chunk with its own dictionary, so that no id outlives its text.';
comment on column open_delta.id is 'Order of arrival.';
comment on column open_delta.window_start is 'Start of the window, inclusive.';
comment on column open_delta.commit_id is 'The commit that appended it; an id of its own where chunks of several commits were merged.';
comment on column open_delta.hits is 'Sum of key_hits.';
comment on column open_delta.bot_hits is 'Sum of key_bot_hits.';
comment on column open_delta.keys is 'Length of the five arrays.';
comment on column open_delta.hosts is 'Texts of the hosts, each ended by U+001F.';
comment on column open_delta.referrers is 'Texts of the referrers, each ended by U+001F.';
comment on column open_delta.places is 'Country, region and city separated by U+001E, each place ended by U+001F.';
comment on column open_delta.host_ix is 'For each key the 1-based position of its host in hosts.';
comment on column open_delta.referrer_ix is 'For each key the 1-based position of its referrer in referrers.';
comment on column open_delta.place_ix is 'For each key the 1-based position of its place in places.';
comment on column open_delta.key_hits is 'For each key its hits.';
comment on column open_delta.key_bot_hits is 'For each key its hits by bots.';

create table aggregated_web_traffic (
  window_start timestamptz not null,
  window_end   timestamptz not null,
  host         text        not null,
  referrer     text        not null,
  country_code text        not null,
  region       text        not null,
  city         text        not null,
  num_hits     bigint      not null,
  bot_hits     bigint      not null
) partition by range (window_start);
comment on table aggregated_web_traffic is 'Closed windows: one row per window, host, referrer and place. Rows are appended once and never change. Partitioned by UTC day of window_start.';
comment on column aggregated_web_traffic.window_start is 'Start of the window (event time, UTC), inclusive.';
comment on column aggregated_web_traffic.window_end is 'End of the window, exclusive.';
comment on column aggregated_web_traffic.host is 'Requested host in lower case; (other) in the row that folds the keys beyond MAX_KEYS_PER_WINDOW.';
comment on column aggregated_web_traffic.referrer is 'Referrer; empty for direct hits.';
comment on column aggregated_web_traffic.country_code is 'ISO 3166-1 alpha-2 code, or unknown, private, invalid.';
comment on column aggregated_web_traffic.region is 'Region or state; empty when unknown.';
comment on column aggregated_web_traffic.city is 'City; empty when unknown.';
comment on column aggregated_web_traffic.num_hits is 'Hits by humans and bots.';
comment on column aggregated_web_traffic.bot_hits is 'Hits by bots, a part of num_hits.';

create table late_web_traffic (like aggregated_web_traffic including comments);
create index late_web_traffic_window on late_web_traffic (window_start);
comment on table late_web_traffic is 'Records that came after their window had closed, by the window they belong to. Several rows of one key add up.';

create table web_traffic_window (
  window_start timestamptz primary key,
  window_end   timestamptz not null,
  row_count    bigint      not null,
  hits         bigint      not null,
  bot_hits     bigint      not null,
  folded_keys  bigint      not null default 0,
  closed_at    timestamptz not null default clock_timestamp(),
  closed_by    text        not null
);
comment on table web_traffic_window is 'One row per closed window: what the closing wrote, for the ledger.';
comment on column web_traffic_window.window_start is 'Start of the window, inclusive.';
comment on column web_traffic_window.window_end is 'End of the window, exclusive.';
comment on column web_traffic_window.row_count is 'Rows written to aggregated_web_traffic.';
comment on column web_traffic_window.hits is 'Sum of num_hits of those rows.';
comment on column web_traffic_window.bot_hits is 'Sum of bot_hits of those rows.';
comment on column web_traffic_window.folded_keys is 'Keys that were folded into the (other) row.';
comment on column web_traffic_window.closed_at is 'When the window was closed (processing time).';
comment on column web_traffic_window.closed_by is 'Instance that closed it.';

create table commit_history (
  commit_id    uuid        primary key,
  committed_at timestamptz not null default clock_timestamp(),
  instance     text        not null,
  reason       text        not null,
  duration_ms  double precision not null,
  counted      bigint      not null,
  late         bigint      not null,
  dead         bigint      not null,
  null_records bigint      not null,
  skipped      bigint      not null,
  keys         bigint      not null,
  windows      integer     not null,
  partitions   jsonb       not null
);
create index commit_history_time on commit_history (committed_at);
comment on table commit_history is 'One row per commit, kept for 7 days: the checkpoints of the stream.';
comment on column commit_history.commit_id is 'Random id of the commit.';
comment on column commit_history.committed_at is 'When it was made (processing time).';
comment on column commit_history.instance is 'Instance that made it.';
comment on column commit_history.reason is 'Why it was made: interval, size, rebalance, idle, end or shutdown.';
comment on column commit_history.duration_ms is 'Time spent in the database function, in milliseconds.';
comment on column commit_history.counted is 'Records counted.';
comment on column commit_history.late is 'Late records.';
comment on column commit_history.dead is 'Dead letters.';
comment on column commit_history.null_records is 'Tombstones.';
comment on column commit_history.skipped is 'Offsets without a delivered record.';
comment on column commit_history.keys is 'Keys appended over all windows.';
comment on column commit_history.windows is 'Windows touched.';
comment on column commit_history.partitions is 'Array of {partition, from, to, watermark (epoch ms), quiet}.';

create table idle_advance (
  partition   integer     not null,
  at_offset   bigint      not null,
  watermark   timestamptz not null,
  quiet_since timestamptz not null,
  commit_id   uuid        not null,
  primary key (partition, at_offset, watermark)
);
comment on table idle_advance is 'Every watermark that was raised by silence instead of a record: with the log itself, all that decides which records are late.';
comment on column idle_advance.partition is 'Partition number.';
comment on column idle_advance.at_offset is 'Next offset at which the watermark was raised: records at or above it were judged by it.';
comment on column idle_advance.watermark is 'The watermark from there on.';
comment on column idle_advance.quiet_since is 'Start of the silence.';
comment on column idle_advance.commit_id is 'Commit that recorded it.';

create table dead_letter_count (
  partition integer not null,
  reason    text    not null,
  records   bigint  not null,
  primary key (partition, reason)
);
comment on table dead_letter_count is 'Exact number of dead letters by partition and reason.';
comment on column dead_letter_count.partition is 'Partition number.';
comment on column dead_letter_count.reason is 'Named reason, see docs/concepts.md.';
comment on column dead_letter_count.records is 'Records.';

create table dead_letter_range (
  id           bigint      generated always as identity primary key,
  partition    integer     not null,
  reason       text        not null,
  first_offset bigint      not null,
  last_offset  bigint      not null check (last_offset >= first_offset),
  records      bigint      not null check (records > 0),
  seen_at      timestamptz not null default now()
);
create index dead_letter_range_place on dead_letter_range (partition, reason, last_offset);
comment on table dead_letter_range is 'Where dead letters lie, as offset ranges. A range may also cover other records when there are many: records says how many are dead.';
comment on column dead_letter_range.id is 'Order of arrival.';
comment on column dead_letter_range.partition is 'Partition number.';
comment on column dead_letter_range.reason is 'Named reason.';
comment on column dead_letter_range.first_offset is 'Offset of the first dead letter of the range.';
comment on column dead_letter_range.last_offset is 'Offset of the last dead letter of the range, inclusive.';
comment on column dead_letter_range.records is 'Dead letters in the range.';
comment on column dead_letter_range.seen_at is 'When the range was last extended.';

create table dead_letter_sample (
  partition     integer     not null,
  record_offset bigint      not null,
  reason        text        not null,
  seen_at       timestamptz not null default now(),
  payload_bytes integer     not null,
  payload       text        not null,
  primary key (partition, record_offset)
);
create index dead_letter_sample_time on dead_letter_sample (reason, seen_at);
comment on table dead_letter_sample is 'Masked samples of dead letters: at most 100 a reason and hour, kept for 30 days. No address, header or query string.';
comment on column dead_letter_sample.partition is 'Partition number.';
comment on column dead_letter_sample.record_offset is 'Offset of the record.';
comment on column dead_letter_sample.reason is 'Named reason.';
comment on column dead_letter_sample.seen_at is 'When it was committed.';
comment on column dead_letter_sample.payload_bytes is 'Size of the whole value in bytes.';
comment on column dead_letter_sample.payload is 'The masked beginning of the value.';

create table data_gap (
  id          bigint      generated always as identity primary key,
  partition   integer     not null,
  from_offset bigint      not null,
  to_offset   bigint      not null,
  from_time   timestamptz not null,
  to_time     timestamptz not null,
  reason      text        not null,
  accepted_at timestamptz not null default now()
);
comment on table data_gap is 'Records that were gone before they could be read, accepted by an operator. Reports show the time range as unknown, never as zero.';
comment on column data_gap.id is 'Order of acceptance.';
comment on column data_gap.partition is 'Partition number.';
comment on column data_gap.from_offset is 'First lost offset, inclusive.';
comment on column data_gap.to_offset is 'End of the lost range, exclusive.';
comment on column data_gap.from_time is 'Earliest event time that may be missing.';
comment on column data_gap.to_time is 'Latest event time that may be missing.';
comment on column data_gap.reason is 'Named error that stopped the stream.';
comment on column data_gap.accepted_at is 'When the operator accepted the gap.';

create table source_generation (
  generation        integer primary key,
  fingerprint       text    not null,
  fingerprint_bytes integer not null,
  path              text    not null,
  size_seen         bigint  not null,
  finished          boolean not null
);
comment on table source_generation is 'Files that SOURCE=file has met, by the fingerprint of their first bytes: a renamed, compressed or truncated file is neither read twice nor lost.';
comment on column source_generation.generation is 'Number of the file in the logical log, from 0.';
comment on column source_generation.fingerprint is 'Hash of the first fingerprint_bytes of uncompressed content.';
comment on column source_generation.fingerprint_bytes is 'Bytes that the fingerprint covers.';
comment on column source_generation.path is 'Path at which the file was last seen.';
comment on column source_generation.size_seen is 'Uncompressed size last seen, in bytes.';
comment on column source_generation.finished is 'True once the file was read to its end and a later one was begun.';

create table lease (
  name       text        primary key,
  holder     text        not null,
  expires_at timestamptz not null
);
comment on table lease is 'One reader a log where no consumer group decides. Only saves work: the compare-and-swap is what keeps counts right.';
comment on column lease.name is 'What is leased.';
comment on column lease.holder is 'Instance that holds it.';
comment on column lease.expires_at is 'When it may be taken by another.';

insert into schema_migration (version, name, checksum) values (1, '0001_stream', '41f10440397ee8f5c838eebb568b6843b9d48447cbf4e133e535d368cd1f9bba');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 2) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
-- Why: the two statements that make the stream exactly-once, and the one that joins it. Each is one function call, so that no connection
-- can die between a check and its effect. Lock order everywhere: stream row (if at all) or partition rows by number, then counts.
-- Functions carry their version in the name: a running old binary survives a migration.
--
-- Named errors: TM001 fenced · TM002 wrong isolation level · TM003 other settings · TM004 a closing or compaction that does not add up · TM005 stopped.

-- READ COMMITTED is required: each statement inside the functions must see what was committed before it, not before the call.
create function tidemark_require_read_committed_v1() returns void language plpgsql volatile as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'isolation level is %, must be read committed', current_setting('transaction_isolation') using errcode = 'TM002';
  end if;
end $$;
comment on function tidemark_require_read_committed_v1() is 'Raises TM002 unless the isolation level is READ COMMITTED.';

-- Epoch milliseconds to timestamptz without passing through a floating-point number; null means before all time.
create function tidemark_time_v1(ms bigint) returns timestamptz language sql immutable parallel safe
return coalesce(timestamptz '1970-01-01 00:00:00+00' + ms * interval '1 millisecond', timestamptz '-infinity');
comment on function tidemark_time_v1(bigint) is 'Epoch milliseconds as timestamptz; null becomes -infinity.';

-- The way back; -infinity becomes null.
create function tidemark_ms_v1(t timestamptz) returns bigint language sql immutable parallel safe
return case when isfinite(t) then round(extract(epoch from t) * 1000)::bigint end;
comment on function tidemark_ms_v1(timestamptz) is 'timestamptz as epoch milliseconds, rounded; null for null and infinities.';

-- Makes the stream row at the first start, refuses other settings later, and gives every partition of the topic a row before anything is
-- committed. Takes the stream row's lock: a closing sees either none or all of the new rows, and they start at the stored closed-through.
-- WHERE NOT EXISTS instead of ON CONFLICT, which waits for (and deadlocks with) commits that hold partition rows.
create function tidemark_join_v1(p_settings jsonb, p_partitions jsonb) returns void language plpgsql volatile as $$
declare
  s stream%rowtype;
  first_start boolean;
  difference text;
begin
  perform tidemark_require_read_committed_v1();
  insert into stream (source, topic, topic_id, consumer_group, window_size_ms, referrer_granularity, key_bytes_max, offsets_count_records, anchor)
    select p_settings ->> 'source', p_settings ->> 'topic', p_settings ->> 'topic_id', p_settings ->> 'consumer_group',
           (p_settings ->> 'window_size_ms')::bigint, p_settings ->> 'referrer_granularity', (p_settings ->> 'key_bytes_max')::integer,
           (p_settings ->> 'offsets_count_records')::boolean, tidemark_time_v1((p_settings ->> 'anchor')::bigint)
    where not exists (select from stream)
    on conflict do nothing;
  select * into strict s from stream for update;
  select string_agg(format('%s is %s in this schema, %s in the settings', key, quote_nullable(to_jsonb(s) ->> key), quote_nullable(value)), '; ' order by key)
    into difference
    from jsonb_each_text(p_settings) as given(key, value)
    where key in ('source', 'topic', 'consumer_group', 'window_size_ms', 'referrer_granularity', 'key_bytes_max')
      and to_jsonb(s) ->> key is distinct from value;
  if difference is not null then
    raise exception '%', difference using errcode = 'TM003';
  end if;
  if s.topic_id is null and p_settings ->> 'topic_id' is not null then
    update stream set topic_id = p_settings ->> 'topic_id';
  end if;
  first_start := not exists (select from stream_partition);
  insert into stream_partition (partition, first_offset, next_offset, watermark)
    select x.partition, o.first_offset, o.first_offset, s.closed_through
    from jsonb_to_recordset(p_partitions) as x(partition integer, start_offset bigint, log_start bigint)
    cross join lateral (select case when first_start then x.start_offset else x.log_start end as first_offset) o
    where not exists (select from stream_partition t where t.partition = x.partition)
    order by x.partition;
end $$;
comment on function tidemark_join_v1(jsonb, jsonb) is 'Creates the stream row and missing partition rows; raises TM003 when the stream was made with other settings. Idempotent.';

-- The texts of a chunk: element i of a U+001F-terminated list, 1-based.
create function tidemark_texts_v1(list text) returns table (ix integer, value text) language sql immutable parallel safe rows 1000
begin atomic
  select t.ix::integer, t.value from string_to_table(list, E'\x1f') with ordinality as t(value, ix);
end;
comment on function tidemark_texts_v1(text) is 'Splits a dictionary of open_delta into (1-based position, text); one empty text follows the last terminator.';

-- One commit: compare-and-swap of every partition row in the delta, then the delta itself. Raises TM001 and changes nothing when one row
-- differs. Partition rows are locked in order of their number, before anything is written: two commits can never deadlock.
create function tidemark_commit_v1(
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
      raised_at = tidemark_time_v1(x.raised_at),
      quiet_since = case when x.quiet_since is null then null else tidemark_time_v1(x.quiet_since) end,
      counted = t.counted + x.counted, late = t.late + x.late, late_dropped = t.late_dropped + x.late_dropped,
      dead = t.dead + x.dead, null_records = t.null_records + x.null_records, skipped = t.skipped + x.skipped,
      updated_at = clock_timestamp()
    from jsonb_to_recordset(p_partitions) as x(partition integer, old_commit_id uuid, old_next_offset bigint, next_offset bigint,
      watermark bigint, record_watermark bigint, max_window_end bigint, raised_at bigint, quiet_since bigint,
      counted bigint, late bigint, late_dropped bigint, dead bigint, null_records bigint, skipped bigint)
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
      with chunk as materialized (
        select c.window_start, a.*
        from unnest(p_hosts, p_referrers, p_places, p_host_ix, p_referrer_ix, p_place_ix, p_key_hits, p_key_bot_hits)
          with ordinality as a(hosts, referrers, places, host_ix, referrer_ix, place_ix, key_hits, key_bot_hits, n)
        join jsonb_to_recordset(p_chunks) as c(n bigint, late boolean, window_start bigint) using (n)
        where c.late),
      host_text as materialized (select c.n, t.* from chunk c cross join lateral tidemark_texts_v1(c.hosts) t),
      referrer_text as materialized (select c.n, t.* from chunk c cross join lateral tidemark_texts_v1(c.referrers) t),
      place_text as materialized (select c.n, t.* from chunk c cross join lateral tidemark_texts_v1(c.places) t),
      chunk_key as materialized (
        select c.n, c.window_start, k.* from chunk c
        cross join lateral unnest(c.host_ix::integer[], c.referrer_ix::integer[], c.place_ix::integer[], c.key_hits::integer[], c.key_bot_hits::integer[])
          as k(host_ix, referrer_ix, place_ix, hits, bot_hits))
      select tidemark_time_v1(k.window_start), tidemark_time_v1(k.window_start) + size, h.value, r.value,
             split_part(p.value, E'\x1e', 1), split_part(p.value, E'\x1e', 2), split_part(p.value, E'\x1e', 3), k.hits, k.bot_hits
      from chunk_key k
      join host_text h on h.n = k.n and h.ix = k.host_ix
      join referrer_text r on r.n = k.n and r.ix = k.referrer_ix
      join place_text p on p.n = k.n and p.ix = k.place_ix;
  end if;

  if p_dead is not null then
    perform tidemark_dead_letters_v1(p_dead);
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
comment on function tidemark_commit_v1(uuid, text, text, jsonb, jsonb, text[], text[], text[], text[], text[], text[], text[], text[], jsonb) is
  'Moves the partitions of one delta and appends it, atomically; raises TM001 (detail: partition numbers) and changes nothing when one has moved.';

-- Called by the commit only. Ranges that touch the last one of their partition and reason extend it, so that a topic of nothing but bad
-- records stays one row; samples stop at 100 a reason and hour.
create function tidemark_dead_letters_v1(p_dead jsonb) returns void language plpgsql volatile as $$
begin
  insert into dead_letter_count as t (partition, reason, records)
    select x.partition, x.reason, x.records
    from jsonb_to_recordset(p_dead -> 'counts') as x(partition integer, reason text, records bigint) order by 1, 2
    on conflict (partition, reason) do update set records = t.records + excluded.records;
  with range as (
    select * from jsonb_to_recordset(p_dead -> 'ranges') as x(partition integer, reason text, first_offset bigint, last_offset bigint, records bigint)
  ), extended as (
    update dead_letter_range t set last_offset = x.last_offset, records = t.records + x.records, seen_at = now()
    from range x
    where t.partition = x.partition and t.reason = x.reason and t.last_offset = x.first_offset - 1
    returning x.partition, x.reason, x.first_offset
  )
  insert into dead_letter_range (partition, reason, first_offset, last_offset, records)
    select partition, reason, first_offset, last_offset, records from range x
    where not exists (select from extended e where (e.partition, e.reason, e.first_offset) = (x.partition, x.reason, x.first_offset))
    order by partition, first_offset;
  insert into dead_letter_sample (partition, record_offset, reason, payload_bytes, payload)
    select x.partition, x.record_offset, x.reason, x.payload_bytes, x.payload
    from (
      select s.*, row_number() over (partition by s.reason order by s.partition, s.record_offset) as n
      from jsonb_to_recordset(p_dead -> 'samples') as s(partition integer, record_offset bigint, reason text, payload_bytes integer, payload text)
    ) x
    where x.n <= 100 - (select count(*) from dead_letter_sample d where d.reason = x.reason and d.seen_at >= date_trunc('hour', now()))
    on conflict do nothing;
end $$;
comment on function tidemark_dead_letters_v1(jsonb) is 'Books counts, ranges and masked samples of one commit''s dead letters.';

-- Makes the table partition of one UTC day. CREATE … LIKE and ATTACH take no lock that a reader or a closing waits for.
create function tidemark_ensure_day_v1(p_day date) returns void language plpgsql volatile as $$
declare
  child text := 'aggregated_web_traffic_' || to_char(p_day, 'YYYYMMDD');
  from_time timestamptz := p_day::timestamp at time zone 'UTC';
  to_time timestamptz := (p_day + 1)::timestamp at time zone 'UTC';
begin
  perform pg_advisory_xact_lock(hashtext('tidemark'), hashtext(current_schema() || '.' || child));
  if to_regclass(quote_ident(child)) is not null then
    return;
  end if;
  execute format('create table %I (like aggregated_web_traffic including comments including storage)', child);
  -- The same bounds as a constraint spare ATTACH its scan.
  execute format('alter table %I add constraint %I check (window_start >= %L and window_start < %L)', child, child || '_day', from_time, to_time);
  execute format('alter table aggregated_web_traffic attach partition %I for values from (%L) to (%L)', child, from_time, to_time);
end $$;
comment on function tidemark_ensure_day_v1(date) is 'Creates and attaches the partition of aggregated_web_traffic for one UTC day. Idempotent.';

-- Closes the oldest window that all watermarks have passed, once. SKIP LOCKED on the stream row: whoever does not get it leaves the window
-- to the next tick. Watermarks are read after the lock was taken. Returns what was done as an object with a "state":
-- busy (another is closing), day_missing (call tidemark_ensure_day_v1, then again), nothing, closed.
create function tidemark_close_v1(p_instance text, p_max_keys bigint) returns jsonb language plpgsql volatile
set enable_nestloop = off set enable_mergejoin = off set jit = off set work_mem = '64MB' as $$
declare
  s stream%rowtype;
  size interval;
  through timestamptz;
  w timestamptz;
  chunks bigint;
  expected_hits bigint;
  expected_bots bigint;
  keys bigint;
  written bigint;
  written_hits bigint;
  written_bots bigint;
  folded bigint := 0;
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
  if keys <= p_max_keys then
    with written_row as (
      insert into aggregated_web_traffic (window_start, window_end, host, referrer, country_code, region, city, num_hits, bot_hits)
      select w, w + size, o.host, o.referrer, o.country_code, o.region, o.city, o.num_hits, o.bot_hits from tidemark_open_rows_v1(w) o
      returning num_hits, bot_hits
    )
    select count(*), sum(num_hits), sum(bot_hits) into written, written_hits, written_bots from written_row;
  else
    -- Beyond the cap the smallest keys (hits descending, then key) fold into one exact row.
    with ranked as (
      select o.*, row_number() over (order by o.num_hits desc, o.host, o.referrer, o.country_code, o.region, o.city) as n from tidemark_open_rows_v1(w) o
    ), folded_row as (
      select sum(num_hits) as num_hits, sum(bot_hits) as bot_hits, count(*) as folded from ranked where n >= p_max_keys
    ), written_row as (
      insert into aggregated_web_traffic (window_start, window_end, host, referrer, country_code, region, city, num_hits, bot_hits)
      select w, w + size, host, referrer, country_code, region, city, num_hits, bot_hits from ranked
        where n < p_max_keys or (select f.folded from folded_row f) <= 1
      union all
      select w, w + size, '(other)', '(other)', 'unknown', '', '', num_hits, bot_hits from folded_row where folded_row.folded > 1
      returning num_hits, bot_hits
    )
    select count(*), sum(num_hits), sum(bot_hits), (select case when f.folded > 1 then f.folded else 0 end from folded_row f)
      into written, written_hits, written_bots, folded from written_row;
  end if;
  if written_hits is distinct from expected_hits or written_bots is distinct from expected_bots then
    raise exception 'window % would be closed with % hits (% by bots), its deltas hold % (%)', w, written_hits, written_bots, expected_hits, expected_bots
      using errcode = 'TM004';
  end if;
  insert into web_traffic_window (window_start, window_end, row_count, hits, bot_hits, folded_keys, closed_by)
    values (w, w + size, written, written_hits, written_bots, folded, p_instance);
  delete from open_delta d where d.window_start = w;
  update stream set closed_through = greatest(closed_through, through), data_revision = data_revision + 1;
  return jsonb_build_object('state', 'closed', 'window_start', (extract(epoch from w) * 1000)::bigint, 'rows', written, 'hits', written_hits,
    'folded_keys', folded, 'chunks', chunks);
end $$;
comment on function tidemark_close_v1(text, bigint) is 'Closes the oldest window that all watermarks have passed: merges its deltas, appends its rows, once. Raises TM004 when the rows do not sum to the deltas.';

-- Chunks merged into rows. Each chunk's dictionaries are mapped once to numbers that hold for all chunks; a key then costs three array
-- subscripts and one look-up of integers. Measured at 30 chunks of 20,000 keys: 1.4 µs of server CPU a key; joining texts to keys took 3.2.
create function tidemark_merged_v1(p_ids bigint[])
returns table (host text, referrer text, country_code text, region text, city text, num_hits bigint, bot_hits bigint)
language plpgsql stable rows 100000
set enable_mergejoin = off set enable_sort = off set jit = off set work_mem = '64MB' as $$
begin
  return query
    with chunk as materialized (select d.* from open_delta d where d.id = any(p_ids)),
    host_text as materialized (select c.id, t.ix, t.value from chunk c cross join lateral tidemark_texts_v1(c.hosts) t),
    referrer_text as materialized (select c.id, t.ix, t.value from chunk c cross join lateral tidemark_texts_v1(c.referrers) t),
    place_text as materialized (select c.id, t.ix, t.value from chunk c cross join lateral tidemark_texts_v1(c.places) t),
    host_number as materialized (select d.value, row_number() over ()::integer as n from (select distinct t.value from host_text t) d),
    referrer_number as materialized (select d.value, row_number() over ()::integer as n from (select distinct t.value from referrer_text t) d),
    place_number as materialized (select d.value, row_number() over ()::integer as n from (select distinct t.value from place_text t) d),
    host_map as materialized (select t.id, array_agg(d.n order by t.ix) as n from host_text t join host_number d using (value) group by t.id),
    referrer_map as materialized (select t.id, array_agg(d.n order by t.ix) as n from referrer_text t join referrer_number d using (value) group by t.id),
    place_map as materialized (select t.id, array_agg(d.n order by t.ix) as n from place_text t join place_number d using (value) group by t.id),
    mapped as materialized (
      select c.host_ix, c.referrer_ix, c.place_ix, c.key_hits, c.key_bot_hits, h.n as host_map, r.n as referrer_map, p.n as place_map
      from chunk c join host_map h using (id) join referrer_map r using (id) join place_map p using (id)),
    -- Materialized: the planner expects ten elements of an array and would unnest it again for every text.
    key as materialized (
      select m.host_map[k.host_ix] as host, m.referrer_map[k.referrer_ix] as referrer, m.place_map[k.place_ix] as place,
             sum(k.hits)::bigint as hits, sum(k.bot_hits)::bigint as bot_hits
      from mapped m
      cross join lateral unnest(m.host_ix, m.referrer_ix, m.place_ix, m.key_hits, m.key_bot_hits) as k(host_ix, referrer_ix, place_ix, hits, bot_hits)
      group by 1, 2, 3)
    select h.value, r.value, p.country_code, p.region, p.city, key.hits, key.bot_hits
    from key
    join host_number h on h.n = key.host
    join referrer_number r on r.n = key.referrer
    join (select d.n, split_part(d.value, E'\x1e', 1) as country_code, split_part(d.value, E'\x1e', 2) as region, split_part(d.value, E'\x1e', 3) as city
          from place_number d) p on p.n = key.place;
end $$;
comment on function tidemark_merged_v1(bigint[]) is 'The rows of some chunks of one window, by their ids in open_delta: hits of the same key added up.';

-- The rows of one open window, merged over its chunks. One chunk has unique keys and needs no grouping.
create function tidemark_open_rows_v1(p_window_start timestamptz)
returns table (host text, referrer text, country_code text, region text, city text, num_hits bigint, bot_hits bigint)
language plpgsql stable rows 100000
set enable_nestloop = off set enable_mergejoin = off set enable_sort = off set jit = off set work_mem = '64MB' as $$
declare
  one open_delta%rowtype;
  ids bigint[] := array(select d.id from open_delta d where d.window_start = p_window_start);
begin
  if cardinality(ids) = 1 then
    -- Through variables: a function call that refers to a table beside it would be made again for every key.
    select * into strict one from open_delta d where d.id = ids[1];
    return query
      select h.value, r.value, p.country_code, p.region, p.city, k.hits::bigint, k.bot_hits::bigint
      from unnest(one.host_ix, one.referrer_ix, one.place_ix, one.key_hits, one.key_bot_hits) as k(host_ix, referrer_ix, place_ix, hits, bot_hits)
      join tidemark_texts_v1(one.hosts) h on h.ix = k.host_ix
      join tidemark_texts_v1(one.referrers) r on r.ix = k.referrer_ix
      join (select t.ix, split_part(t.value, E'\x1e', 1) as country_code, split_part(t.value, E'\x1e', 2) as region, split_part(t.value, E'\x1e', 3) as city
            from tidemark_texts_v1(one.places) t) p on p.ix = k.place_ix;
  else
    return query select * from tidemark_merged_v1(ids);
  end if;
end $$;
comment on function tidemark_open_rows_v1(timestamptz) is 'The merged rows of one open window, as they would be closed now (without the cap on keys).';

-- Merges chunks of the open window that has most, once it has p_chunks: merging all of them costs the closing more than a minute where an
-- instance has committed 20,000 keys a second, and that is when readers wait for the window. Merged are the smaller chunks, and a larger one
-- only when the smaller ones together outweigh it, so that a key is written a number of times that grows with the logarithm of the chunks.
-- Same lock as a closing (stream row, SKIP LOCKED), so the chunks it has chosen cannot go away; commits append beside it undisturbed.
-- A merged key's hits must fit an integer: chunks with more than half of that are left alone. Raises TM004 when the sums differ.
create function tidemark_compact_v1(p_chunks integer) returns jsonb language plpgsql volatile
set enable_nestloop = off set enable_mergejoin = off set jit = off set work_mem = '64MB' as $$
declare
  half_integer constant bigint := 1073741824;
  w timestamptz;
  ids bigint[];
  expected_hits bigint;
  expected_bots bigint;
  merged_keys integer;
  merged_hits bigint;
  merged_bots bigint;
begin
  perform tidemark_require_read_committed_v1();
  perform from stream for update skip locked;
  if not found then
    return jsonb_build_object('state', 'busy');
  end if;
  select d.window_start into w from open_delta d where d.hits < half_integer
    group by d.window_start having count(*) >= greatest(p_chunks, 2) order by count(*) desc, d.window_start limit 1;
  if not found then
    return jsonb_build_object('state', 'nothing');
  end if;
  with ranked as (
    select d.id, d.hits, d.bot_hits, d.keys, row_number() over by_size as n, sum(d.keys) over by_size - d.keys as smaller_keys,
           sum(d.hits) over by_size as hits_so_far
    from open_delta d where d.window_start = w and d.hits < half_integer
    window by_size as (order by d.keys, d.id rows unbounded preceding)
  )
  select array_agg(r.id), sum(r.hits), sum(r.bot_hits) into ids, expected_hits, expected_bots
    from ranked r
    where r.n <= (select max(x.n) from ranked x where (x.n <= 2 or x.keys <= x.smaller_keys) and x.hits_so_far < 2 * half_integer);
  with merged as materialized (select * from tidemark_merged_v1(ids)),
  host as materialized (select d.host, row_number() over ()::integer as ix from (select distinct m.host from merged m) d),
  referrer as materialized (select d.referrer, row_number() over ()::integer as ix from (select distinct m.referrer from merged m) d),
  place as materialized (
    select d.*, row_number() over ()::integer as ix from (select distinct m.country_code, m.region, m.city from merged m) d),
  written as (
    insert into open_delta (window_start, commit_id, hits, bot_hits, keys, hosts, referrers, places, host_ix, referrer_ix, place_ix, key_hits, key_bot_hits)
    select w, gen_random_uuid(), sum(m.num_hits), sum(m.bot_hits), count(*),
           (select string_agg(d.host || E'\x1f', '' order by d.ix) from host d),
           (select string_agg(d.referrer || E'\x1f', '' order by d.ix) from referrer d),
           (select string_agg(d.country_code || E'\x1e' || d.region || E'\x1e' || d.city || E'\x1f', '' order by d.ix) from place d),
           array_agg(h.ix), array_agg(r.ix), array_agg(p.ix), array_agg(m.num_hits::integer), array_agg(m.bot_hits::integer)
    from merged m join host h using (host) join referrer r using (referrer) join place p using (country_code, region, city)
    returning hits, bot_hits, keys
  )
  select x.hits, x.bot_hits, x.keys into merged_hits, merged_bots, merged_keys from written x;
  if merged_hits is distinct from expected_hits or merged_bots is distinct from expected_bots then
    raise exception 'chunks of window % with % hits (% by bots) would be merged into % (%)', w, expected_hits, expected_bots, merged_hits, merged_bots
      using errcode = 'TM004';
  end if;
  delete from open_delta d where d.id = any(ids);
  return jsonb_build_object('state', 'compacted', 'window_start', (extract(epoch from w) * 1000)::bigint, 'chunks', cardinality(ids), 'keys', merged_keys);
end $$;
comment on function tidemark_compact_v1(integer) is 'Merges chunks of the open window that has most of them into one, if it has that many. Counts stay as they are; raises TM004 when they would not.';

-- Books every closed window before a day as retired, so that the ledger stays balanced when the day's table is dropped. Late rows go with it.
create function tidemark_retire_v1(p_before date) returns bigint language plpgsql volatile as $$
declare
  bound timestamptz := p_before::timestamp at time zone 'UTC';
  dropped bigint;
  dropped_late bigint;
begin
  perform tidemark_require_read_committed_v1();
  perform from stream for update;
  with gone as (delete from web_traffic_window where window_start < bound returning hits)
    select coalesce(sum(hits), 0) into dropped from gone;
  with gone as (delete from late_web_traffic where window_start < bound returning num_hits)
    select coalesce(sum(num_hits), 0) into dropped_late from gone;
  if dropped > 0 or dropped_late > 0 then
    update stream set retired_hits = retired_hits + dropped, retired_late = retired_late + dropped_late,
      retired_through = greatest(retired_through, bound), data_revision = data_revision + 1;
  end if;
  return dropped + dropped_late;
end $$;
comment on function tidemark_retire_v1(date) is 'Moves the ledger of all windows before a UTC day to retired and forgets their late rows; the caller then drops the day tables. Idempotent.';

-- How far the stream is: closed_through = windows that can no longer change; final_through = the same as far as records confirm it, without
-- idle advances. A partition that never delivered a record confirms and denies nothing.
create view stream_progress as
select s.closed_through,
       least(s.closed_through, coalesce(p.record_watermark, '-infinity')) as final_through,
       p.quiet_since, p.max_window_end, p.watermark, s.data_revision, s.window_size_ms, s.stopped_code
from stream s
cross join (
  select min(record_watermark) filter (where next_offset > first_offset) as record_watermark,
         min(quiet_since) as quiet_since, max(max_window_end) as max_window_end, min(watermark) as watermark
  from stream_partition where not retired
) p;
comment on view stream_progress is 'One row: how far windows are closed, how far that is confirmed by records, since when it is quiet.';
comment on column stream_progress.closed_through is 'Every window that ends at or before this time is closed.';
comment on column stream_progress.final_through is 'Numbers of windows that end at or before this time are final.';
comment on column stream_progress.quiet_since is 'Start of the longest unconfirmed silence of a partition; null where none is quiet.';
comment on column stream_progress.max_window_end is 'End of the highest window that holds a counted record.';
comment on column stream_progress.watermark is 'Lowest watermark of all partitions.';
comment on column stream_progress.data_revision is 'Changes whenever closed data changes.';
comment on column stream_progress.window_size_ms is 'Length of a window in milliseconds.';
comment on column stream_progress.stopped_code is 'Named error for which the stream is stopped; null while it may run.';

create view web_traffic_live as
select a.window_start, a.window_end, a.host, a.referrer, a.country_code, a.region, a.city, a.num_hits, a.bot_hits,
       a.window_end <= (select final_through from stream_progress) as is_final
from aggregated_web_traffic a
union all
select w.window_start, w.window_start + (select window_size_ms from stream) * interval '1 millisecond',
       o.host, o.referrer, o.country_code, o.region, o.city, o.num_hits, o.bot_hits, false
from (select distinct window_start from open_delta) w
cross join lateral tidemark_open_rows_v1(w.window_start) o;
comment on view web_traffic_live is 'Closed and open windows together; is_final tells numbers that can no longer change from provisional ones.';
comment on column web_traffic_live.window_start is 'Start of the window, inclusive.';
comment on column web_traffic_live.window_end is 'End of the window, exclusive.';
comment on column web_traffic_live.host is 'Requested host.';
comment on column web_traffic_live.referrer is 'Referrer; empty for direct hits.';
comment on column web_traffic_live.country_code is 'ISO code, or unknown, private, invalid.';
comment on column web_traffic_live.region is 'Region; empty when unknown.';
comment on column web_traffic_live.city is 'City; empty when unknown.';
comment on column web_traffic_live.num_hits is 'Hits by humans and bots.';
comment on column web_traffic_live.bot_hits is 'Hits by bots.';
comment on column web_traffic_live.is_final is 'True when the window is closed and records have confirmed the watermark that closed it.';

insert into schema_migration (version, name, checksum) values (2, '0002_commit', 'adae55361a7202d1c962dae433cc0572d1d28d644841330d3c794d8e572966a7');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 3) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
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

insert into schema_migration (version, name, checksum) values (3, '0003_report', '04b801f23d4bdf510189da521e0cf0dec724f42022c49d959aa0098a560c8b35');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 4) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
-- Why: what an operator does to a stopped stream is one statement too: under the stream row's lock, with fresh commit ids, so that a commit
-- that is still under way somewhere is fenced, and such that the ledger balances before and after. It also keeps what a replay needs:
-- every watermark that neither a record nor a recorded silence explains.
--
-- Named errors: TM006 nothing is stopped · TM007 something has moved since the plan was made.

comment on column stream_partition.skipped is 'Offsets without a delivered record: control, aborted, compacted, accepted gaps; less the offsets that the log has given out twice (truncated or recreated log, accepted by an operator), so it may be negative.';
comment on column stream_partition.first_offset is 'Offset at which this stream began to read the partition; lowered where an accepted recreation of the log begins below it.';
comment on column idle_advance.watermark is 'The watermark from there on. Also the watermark with which a partition that was added later began, and the one that was carried over an accepted gap.';

comment on column data_gap.reason is 'Named error of this partition: data_gap, position_beyond_end, topic_recreated or partitions_removed.';

-- A partition that is added later starts at closed-through: without this row a replay could not know with which watermark it began.
create function tidemark_start_watermark_v1() returns trigger language plpgsql as $$
begin
  insert into idle_advance (partition, at_offset, watermark, quiet_since, commit_id)
    values (new.partition, new.first_offset, new.watermark, now(), new.commit_id)
    on conflict do nothing;
  return null;
end $$;
comment on function tidemark_start_watermark_v1() is 'Records the watermark with which a partition starts.';
create trigger stream_partition_start after insert on stream_partition
  for each row when (new.watermark > '-infinity') execute function tidemark_start_watermark_v1();

-- Clears a stop. p_moves holds one object for every partition row: partition, old_commit_id, old_next_offset (the compare), next_offset,
-- retired, and gap (null, or reason, from_offset, to_offset, from_time, to_time in epoch ms; a null from_time = before all time). Refuses with TM006
-- while nothing is stopped and with TM007 when the stop or a row is not the one that the plan was made for; both change nothing.
-- Lock order: stream row, then partition rows by number.
create function tidemark_resume_v1(p_stopped_code text, p_topic_id text, p_moves jsonb) returns integer language plpgsql volatile as $$
declare
  s stream%rowtype;
  matching integer;
  stored integer;
  gaps integer;
begin
  perform tidemark_require_read_committed_v1();
  select * into s from stream for update;
  if s.stopped_code is null then
    raise exception 'nothing is stopped' using errcode = 'TM006';
  end if;
  if s.stopped_code <> p_stopped_code then
    raise exception 'the stream is now stopped by %', s.stopped_code using errcode = 'TM007';
  end if;
  perform from stream_partition order by partition for update;
  select count(*) into stored from stream_partition;
  select count(*) into matching
    from jsonb_to_recordset(p_moves) as x(partition integer, old_commit_id uuid, old_next_offset bigint)
    join stream_partition t on t.partition = x.partition and t.commit_id = x.old_commit_id and t.next_offset = x.old_next_offset;
  if matching <> stored or stored <> jsonb_array_length(p_moves) then
    raise exception 'positions have moved' using errcode = 'TM007';
  end if;

  insert into data_gap (partition, from_offset, to_offset, from_time, to_time, reason)
    select x.partition, (x.gap ->> 'from_offset')::bigint, (x.gap ->> 'to_offset')::bigint,
           tidemark_time_v1((x.gap ->> 'from_time')::bigint), tidemark_time_v1((x.gap ->> 'to_time')::bigint), x.gap ->> 'reason'
    from jsonb_to_recordset(p_moves) as x(partition integer, gap jsonb)
    where jsonb_typeof(x.gap) = 'object' order by x.partition;
  get diagnostics gaps = row_count;

  -- Advances at offsets that will be given out again belong to a log that is no more.
  delete from idle_advance a using jsonb_to_recordset(p_moves) as x(partition integer, old_next_offset bigint, next_offset bigint)
    where a.partition = x.partition and x.next_offset < x.old_next_offset and a.at_offset >= x.next_offset;

  -- A partition that comes back must not count into windows that were closed without it. Closed-through is read under the stream row's lock.
  update stream_partition t set
      commit_id = gen_random_uuid(),
      next_offset = x.next_offset,
      first_offset = least(t.first_offset, x.next_offset),
      skipped = t.skipped + case when s.offsets_count_records
        then (x.next_offset - least(t.first_offset, x.next_offset)) - (t.next_offset - t.first_offset) else 0 end,
      watermark = case when t.retired and not x.retired then greatest(t.watermark, s.closed_through) else t.watermark end,
      retired = x.retired,
      updated_at = clock_timestamp()
    from jsonb_to_recordset(p_moves) as x(partition integer, next_offset bigint, retired boolean)
    where t.partition = x.partition;

  insert into idle_advance (partition, at_offset, watermark, quiet_since, commit_id)
    select t.partition, t.next_offset, t.watermark, coalesce(t.quiet_since, now()), t.commit_id
    from stream_partition t join jsonb_to_recordset(p_moves) as x(partition integer, old_next_offset bigint) using (partition)
    where t.watermark > '-infinity' and (t.next_offset <> x.old_next_offset or t.watermark > t.record_watermark)
    order by t.partition
    on conflict do nothing;

  -- An accepted gap turns numbers of closed days into unknown ones: readers that cache by the revision must see it.
  update stream set stopped_code = null, stopped_message = null, stopped_at = null, topic_id = coalesce(p_topic_id, topic_id),
    data_revision = data_revision + case when gaps > 0 then 1 else 0 end;
  return gaps;
end $$;
comment on function tidemark_resume_v1(text, text, jsonb) is 'Clears the stream''s stop by a plan: moves positions with fresh commit ids, books accepted gaps, retires partitions. Returns the number of gaps.';

insert into schema_migration (version, name, checksum) values (4, '0004_operate', '43d2ca116f963a4270381a83529353abc652decd9792c76a7f989bdf011347ff');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 5) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
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

insert into schema_migration (version, name, checksum) values (5, '0005_exact', 'fb6377cc78167aadfa975015200ef4c18ae24c5a0f5b7c9f2f35a1d664edf81e');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 6) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
-- Why: the rules of reading events (docs/concepts.md, "Rules of a stream") have a version. The stream stores it, the settings that belong to
-- it, and the offset of each partition from which the rules apply. So the same log gives the same counts after an upgrade, and two releases
-- never count one stream by different rules. Streams made before this migration keep version 1 until an operator switches them.
--
-- A program reads the rules in the same statement as its positions, and a switch gives every partition row a new commit id. So a commit
-- counted by the old rules is fenced whenever it comes, and a fenced program reads the rules again. Programs from before this migration do
-- not know rules; triggers refuse their functions where they would need them.

alter table stream
  add column rules          jsonb   not null default '{"version": 1}',
  add column rules_revision integer not null default 1 check (rules_revision > 0);
comment on column stream.rules is 'Rules by which records are read from the stored positions on: their version and its settings.';
comment on column stream.rules_revision is 'Number of the rules; each switch adds one.';

create table stream_rules (
  partition   integer     not null,
  revision    integer     not null check (revision > 0),
  from_offset bigint      not null,
  rules       jsonb       not null,
  switched_at timestamptz not null default now(),
  primary key (partition, revision)
);
comment on table stream_rules is 'Rules of each partition by offset. A record is read by the highest revision whose from_offset is not above its offset.';
comment on column stream_rules.partition is 'Partition number.';
comment on column stream_rules.revision is 'Number of the switch, as in stream.rules_revision.';
comment on column stream_rules.from_offset is 'First offset that is read by these rules, inclusive.';
comment on column stream_rules.rules is 'The rules, as in stream.rules.';
comment on column stream_rules.switched_at is 'When they were switched, or when the partition was added.';
insert into stream_rules (partition, revision, from_offset, rules)
  select p.partition, s.rules_revision, p.first_offset, s.rules from stream_partition p cross join stream s;

create function tidemark_start_rules_v1() returns trigger language plpgsql as $$
begin
  insert into stream_rules (partition, revision, from_offset, rules)
    select new.partition, s.rules_revision, new.first_offset, s.rules from stream s
    on conflict do nothing;
  return null;
end $$;
comment on function tidemark_start_rules_v1() is 'Records the rules with which a partition starts.';
create trigger stream_partition_rules after insert on stream_partition for each row execute function tidemark_start_rules_v1();

-- A truncated or recreated log uses offsets again. They are read by the current rules, whatever rules applied the first time.
create function tidemark_rewind_rules_v1() returns trigger language plpgsql as $$
begin
  update stream_rules r set from_offset = new.next_offset where r.partition = new.partition and r.from_offset > new.next_offset;
  return null;
end $$;
comment on function tidemark_rewind_rules_v1() is 'Makes the newest rules apply from a position that was set back.';
create trigger stream_partition_rewind after update on stream_partition
  for each row when (new.next_offset < old.next_offset) execute function tidemark_rewind_rules_v1();

-- Programs from before this migration begin with tidemark_join_v1, whose INSERT of no row fires this trigger. They end with the message, named
-- stream_settings_differ.
create function tidemark_guard_join_v1() returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('tidemark.knows_rules', true), '') <> 'yes' and exists (select from stream where (rules ->> 'version')::integer > 1) then
    raise exception 'rules version is % in this schema, this release knows version 1 only: upgrade it', (select rules ->> 'version' from stream)
      using errcode = 'TM003';
  end if;
  return null;
end $$;
comment on function tidemark_guard_join_v1() is 'Refuses to join a stream with rules that the joining program cannot know.';
create trigger stream_known_rules before insert on stream for each statement execute function tidemark_guard_join_v1();

-- One case is left: an old program joined before a switch and read its rows after it. It ends as if a function were undefined.
create function tidemark_guard_commit_v1() returns trigger language plpgsql as $$
declare
  stack text;
begin
  get diagnostics stack = pg_context;
  if strpos(stack, 'tidemark_commit_v1(') > 0 and exists (select from stream where (rules ->> 'version')::integer > 1) then
    raise exception 'tidemark_commit_v1 does not exist for rules version %, and this release knows version 1 only: upgrade it', (select rules ->> 'version' from stream)
      using errcode = 'undefined_function';
  end if;
  return null;
end $$;
comment on function tidemark_guard_commit_v1() is 'Refuses commits of programs that cannot know the stream''s rules.';
create trigger stream_partition_known_rules before update on stream_partition for each statement execute function tidemark_guard_commit_v1();

-- As tidemark_join_v1. p_settings also holds the rules of a new stream. An existing stream keeps its own; the caller compares them.
create function tidemark_join_v2(p_settings jsonb, p_partitions jsonb) returns void language plpgsql volatile as $$
begin
  perform tidemark_require_read_committed_v1();
  perform set_config('tidemark.knows_rules', 'yes', true);
  insert into stream (source, topic, topic_id, consumer_group, window_size_ms, referrer_granularity, key_bytes_max, offsets_count_records, anchor, rules)
    select p_settings ->> 'source', p_settings ->> 'topic', p_settings ->> 'topic_id', p_settings ->> 'consumer_group',
           (p_settings ->> 'window_size_ms')::bigint, p_settings ->> 'referrer_granularity', (p_settings ->> 'key_bytes_max')::integer,
           (p_settings ->> 'offsets_count_records')::boolean, tidemark_time_v1((p_settings ->> 'anchor')::bigint), p_settings -> 'rules'
    where not exists (select from stream)
    on conflict do nothing;
  perform tidemark_join_v1(p_settings, p_partitions);
  perform set_config('tidemark.knows_rules', '', true);
end $$;
comment on function tidemark_join_v2(jsonb, jsonb) is 'Creates the stream row with its rules, and missing partition rows; raises TM003 if the stream was made with other settings. Idempotent.';

-- From every partition's stored position on, records are read by the new rules. Lock order: stream row, then partition rows by number. Waits
-- for a closing and for commits that are under way; the new commit ids fence later ones. Returns the revision. If the rules apply already,
-- nothing changes.
create function tidemark_switch_rules_v1(p_rules jsonb) returns integer language plpgsql volatile as $$
declare
  s stream%rowtype;
begin
  perform tidemark_require_read_committed_v1();
  select * into strict s from stream for update;
  if s.rules = p_rules then
    return s.rules_revision;
  end if;
  perform from stream_partition order by partition for update;
  update stream set rules = p_rules, rules_revision = s.rules_revision + 1;
  update stream_partition set commit_id = gen_random_uuid(), updated_at = clock_timestamp();
  insert into stream_rules (partition, revision, from_offset, rules)
    select p.partition, s.rules_revision + 1, p.next_offset, p_rules from stream_partition p;
  return s.rules_revision + 1;
end $$;
comment on function tidemark_switch_rules_v1(jsonb) is 'Switches the rules at the stored positions and fences processes that count by the old ones; returns the revision. Idempotent.';

insert into schema_migration (version, name, checksum) values (6, '0006_rules', '1a041561cbdf9bdc200cb6c5051ca3383d0d2c739c2aaa4cdab1d8f4188b2cd8');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 7) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
-- Why: the first bytes alone do not identify a log file. The stream also stores a proof of the bytes before a position, and which files
-- existed before the stream. A file that grows after the reader has left it is read on under another number.

alter table source_generation
  add column content     integer,
  add column from_byte   bigint  not null default 0,
  add column proof_to    bigint,
  add column proof_bytes integer,
  add column proof       text,
  add column last_time   bigint,
  add column sealed      boolean not null default false;
comment on column source_generation.content is 'First generation with the content of the same file; null: this one.';
comment on column source_generation.from_byte is 'First byte of the content that belongs to this generation.';
comment on column source_generation.proof_to is 'One past the last byte that proof covers; null before anything was read.';
comment on column source_generation.proof_bytes is 'Bytes that proof covers.';
comment on column source_generation.proof is 'SHA-256 in hex of the bytes just before proof_to.';
comment on column source_generation.last_time is 'Time of the last event read, in epoch milliseconds.';
comment on column source_generation.sealed is 'True once the finished file was compressed without further lines.';

-- A log is a partition. A stream of an earlier release has no row here before its first start with this release: its logs are partition 0.

create table source_log (
  name      text        primary key,
  partition integer     not null,
  found_by  text        not null,
  joined_at timestamptz not null default now()
);
comment on table source_log is 'Logs that SOURCE=file reads, and their partitions.';
comment on column source_log.name is 'Real path of the folder, and the file name without what rotation adds.';
comment on column source_log.partition is 'Its partition. Several logs share one only if an earlier release read them as one.';
comment on column source_log.found_by is 'Path or pattern of the setting by which it was found, made absolute.';
comment on column source_log.joined_at is 'When it joined the stream.';

alter table source_generation
  add column partition integer not null default 0,
  add column number    integer,
  add column format    text;
comment on column source_generation.format is 'Name of the format of the first lines, such as combined; null if none was found.';
comment on column source_generation.partition is 'Partition of the log that the file belongs to.';
comment on column source_generation.number is 'Number of the file in its log; null: the same as generation.';
comment on column source_generation.generation is 'Key of the row: 262144 times the partition, plus the number of the file in its log (from 1; 0 and below: a file from before the stream, which does not belong to it).';

-- Stores the names of logs in the statement that makes their partitions, so that a refused run stores none. Raises TM021 if another process
-- has given them other numbers.
create function tidemark_join_v3(p_settings jsonb, p_partitions jsonb) returns void language plpgsql volatile as $$
declare
  moved text;
begin
  perform tidemark_join_v2(p_settings, p_partitions);
  with given as (
    select x.partition, n.name, n.found_by
    from jsonb_to_recordset(p_partitions) as x(partition integer, logs jsonb)
    cross join lateral jsonb_to_recordset(coalesce(x.logs, '[]')) as n(name text, found_by text)
  ), added as (
    insert into source_log (name, partition, found_by) select name, partition, found_by from given on conflict (name) do nothing
  )
  select min(l.name) into moved from source_log l
    where exists (select from given g where g.name = l.name and g.partition <> l.partition)
       or (exists (select from given g where g.partition = l.partition) and not exists (select from given g where g.name = l.name));
  if moved is not null then
    raise exception 'the log % has another partition now', moved using errcode = 'TM021';
  end if;
end $$;
comment on function tidemark_join_v3(jsonb, jsonb) is 'Joins like tidemark_join_v2 and stores the logs of each partition; raises TM021 if a log has another partition. Idempotent.';

insert into schema_migration (version, name, checksum) values (7, '0007_files', '3ee831b872453d01745fca99844d96a60eaef3b51e6e4ef03d420e3830ed0d82');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 8) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
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

insert into schema_migration (version, name, checksum) values (8, '0008_compare', 'cf6bbba673f1ed82f9b69aec6ed9b948f21b501c622cb6ac8e93ac625f930528');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 9) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
-- Why: what people add to the numbers and what the stream tells them by itself. Views are addresses of the overview by name, notes are words
-- on a day, a notification is one message to one target: it is stored before it is sent, so that a process that dies between sending and
-- noting that it did sends the same message again under the same id. Nothing here is read or written on the way of an event.

create table saved_view (
  name       text        primary key check (length(name) between 1 and 80),
  query      text        not null check (length(query) <= 4000),
  updated_at timestamptz not null default now()
);
comment on table saved_view is 'Views of the overview by name.';
comment on column saved_view.name is 'Name that a reader gave; 1 to 80 characters.';
comment on column saved_view.query is 'Query of the overview''s address, without the question mark.';
comment on column saved_view.updated_at is 'When it was saved last.';

create table day_note (
  id         bigint      generated always as identity primary key,
  day        date        not null,
  note       text        not null check (length(note) between 1 and 200),
  created_at timestamptz not null default now()
);
create index day_note_day on day_note (day);
comment on table day_note is 'Notes on days, shown on the chart.';
comment on column day_note.id is 'Number of the note.';
comment on column day_note.day is 'Calendar day, in whatever time zone a reader looks.';
comment on column day_note.note is 'What happened; 1 to 200 characters.';
comment on column day_note.created_at is 'When it was written.';

create table notification (
  id              text        primary key,
  kind            text        not null check (kind in ('report', 'alert')),
  day_from        date        not null,
  day_to          date        not null,
  target_key      text        not null,
  target          text        not null,
  message         jsonb       not null,
  state           text        not null default 'pending' check (state in ('pending', 'sent', 'failed')),
  attempts        integer     not null default 0,
  next_attempt_at timestamptz not null default now(),
  claimed_until   timestamptz,
  last_error      text,
  created_at      timestamptz not null default now(),
  sent_at         timestamptz
);
create index notification_pending on notification (next_attempt_at) where state = 'pending';
comment on table notification is 'Messages to targets of the settings: each is delivered at least once, always under the same id.';
comment on column notification.id is 'Kind, schedule, days and target: the same message has the same id, also after a restored backup.';
comment on column notification.kind is 'report (of a period) or alert (a day left its forecast band).';
comment on column notification.day_from is 'First day that it is about, in NOTIFY_TIMEZONE.';
comment on column notification.day_to is 'Last day, inclusive.';
comment on column notification.target_key is 'Short hash of the target in the settings; the target itself may hold a secret.';
comment on column notification.target is 'Target as it may be shown: a host, or an e-mail address.';
comment on column notification.message is 'What is sent, fixed when the message was made.';
comment on column notification.state is 'pending, sent, or failed (given up after a week).';
comment on column notification.attempts is 'Deliveries that were begun.';
comment on column notification.next_attempt_at is 'A pending message is not sent before.';
comment on column notification.claimed_until is 'Another process leaves it alone until then.';
comment on column notification.last_error is 'Why the last delivery failed; without secrets.';
comment on column notification.created_at is 'When it was made.';
comment on column notification.sent_at is 'When its target took it; null before.';

insert into schema_migration (version, name, checksum) values (9, '0009_notify', '4664954e183836280647fda4eadd6a42e5689bbe5759c3e83409fabdc7842864');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 10) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
-- Why: a map shows a city at its own place. Rows keep names alone, so the coordinates of each named place are kept once, as the address file
-- had them when the place was first met. Nothing on the way of an event reads or writes them.

create table place_point (
  country_code text not null,
  region       text not null,
  city         text not null,
  latitude     real not null check (latitude between -90 and 90),
  longitude    real not null check (longitude between -180 and 180),
  primary key (country_code, region, city)
);
comment on table place_point is 'Coordinates of cities, as the address file had them when the city was first met.';
comment on column place_point.country_code is 'ISO 3166-1 alpha-2, as in the rows.';
comment on column place_point.region is 'Region as in the rows; empty where it is not known.';
comment on column place_point.city is 'City as in the rows; never empty.';
comment on column place_point.latitude is 'Degrees north.';
comment on column place_point.longitude is 'Degrees east.';

insert into schema_migration (version, name, checksum) values (10, '0010_points', '30e8a72e7cca6428f31eeff7dc91bd5ad12f210089c5960b62543b9188c68bf4');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;

begin;
create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = 11) then
    raise exception 'already applied' using errcode = 'TM010';
  end if;
end $$;
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

insert into schema_migration (version, name, checksum) values (11, '0011_breakdown', '25afcd49cfe8ae2a06ee3ec6260f82db0e396fae7c03e0040dffc3b1b13b626a');
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname = current_schema() and p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
commit;
