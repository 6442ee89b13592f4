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
