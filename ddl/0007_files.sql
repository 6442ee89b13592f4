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
