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
