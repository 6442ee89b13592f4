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
