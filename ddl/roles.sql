-- Why: roles with the least rights for writing and for reading one stream. Optional, and not a migration: managed databases may not allow it,
-- and a role belongs to the whole server. Run it as a superuser (or as a role that may create roles and owns the tables) after `tidemark
-- migrate`, and again after each later migration. Names are settings of the session; these are the defaults:
--
--   PGOPTIONS="-c tidemark.schema=public -c tidemark.owner=tidemark_owner -c tidemark.writer=tidemark_writer -c tidemark.reader=tidemark_reader" \
--     psql -f ddl/roles.sql
--   \password tidemark_writer
--   \password tidemark_reader
--
-- owner   owns tables and functions and cannot log in. Migrations are done by a login that is a member.
-- writer  `tidemark run`, `resume`, `dead-letters`: reads and writes rows and calls the functions, but may not create, alter or drop anything.
--         Functions with the owner's rights make the tables of new days and drop those of retired ones.
-- reader  `tidemark serve`, `report`, `doctor`, BI tools: reads in read-only transactions, at most 60 s per statement.
--
-- One transaction; idempotent. Tables of other programs in the same schema are not touched.
do $$
declare
  schema_name text := coalesce(nullif(current_setting('tidemark.schema', true), ''), 'public');
  owner_name text := coalesce(nullif(current_setting('tidemark.owner', true), ''), 'tidemark_owner');
  writer_name text := coalesce(nullif(current_setting('tidemark.writer', true), ''), 'tidemark_writer');
  reader_name text := coalesce(nullif(current_setting('tidemark.reader', true), ''), 'tidemark_reader');
  o record;
begin
  if to_regclass(format('%I.schema_migration', schema_name)) is null then
    raise exception 'schema % holds no stream: run `tidemark migrate` first, or set tidemark.schema', schema_name;
  end if;
  for o in select * from (values (owner_name, 'nologin'), (writer_name, 'login'), (reader_name, 'login')) r(name, may_login)
    where not exists (select from pg_roles where rolname = r.name)
  loop
    execute format('create role %I %s', o.name, o.may_login);
  end loop;
  execute format('grant usage, create on schema %I to %I', schema_name, owner_name);
  execute format('revoke create on schema %I from public, %I, %I', schema_name, writer_name, reader_name);
  execute format('grant usage on schema %I to %I, %I', schema_name, writer_name, reader_name);

  for o in
    select format('%I.%I', schema_name, c.relname) as name, c.relname, c.relkind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = schema_name and c.relkind in ('r', 'p', 'v')
      and (c.relname in ('stream', 'stream_partition', 'stream_progress', 'stream_span', 'stream_step', 'stream_rules', 'open_delta', 'late_web_traffic', 'commit_history', 'idle_advance',
          'dead_letter_count', 'dead_letter_range', 'dead_letter_run', 'dead_letter_sample', 'data_gap', 'source_generation', 'source_log', 'lease', 'schema_migration', 'rollup_progress', 'saved_view', 'day_note', 'notification', 'place_point',
          'web_breakdown', 'web_breakdown_row', 'late_breakdown', 'breakdown_key', 'breakdown_hour', 'breakdown_day', 'breakdown_day_hours', 'breakdown_progress',
          'breakdown_coverage', 'visitor_salt', 'open_visitor', 'visitor_sketch')
        or c.relname ~ '^(aggregated_web_traffic|web_traffic)(_|$)')
    order by c.relkind, c.relname
  loop
    execute format('alter %s %s owner to %I', case o.relkind when 'v' then 'view' else 'table' end, o.name, owner_name);
    execute format('revoke all on %s from public, %I, %I', o.name, writer_name, reader_name);
    execute format('grant select on %s to %I', o.name, writer_name);
    -- With a day's salt, the address and agent of a visitor could be guessed: readers may not read it.
    execute format('grant select %s on %s to %I', case when o.relname = 'visitor_salt' then '(day, id)' end, o.name, reader_name);
    -- What was migrated is the owner's to write.
    if o.relkind <> 'v' and o.relname <> 'schema_migration' then
      execute format('grant insert, update, delete on %s to %I', o.name, writer_name);
    end if;
  end loop;

  for o in
    select p.oid::regprocedure::text as name, p.proname, p.provolatile
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = schema_name and (p.proname like 'tidemark\_%' or p.proname like 'contribution\_report%' or p.proname = 'breakdown_report')
  loop
    execute format('alter function %s owner to %I', o.name, owner_name);
    execute format('revoke all on function %s from public, %I, %I', o.name, writer_name, reader_name);
    execute format('grant execute on function %s to %I', o.name, writer_name);
    -- Functions that only compute; those that change rows are VOLATILE.
    if o.provolatile <> 'v' then
      execute format('grant execute on function %s to %I', o.name, reader_name);
    end if;
    -- What of the owner's a writer does each day: make a day's table, and drop that of a retired one. Its own search path keeps others from putting another table in its way.
    if o.proname in ('tidemark_ensure_day_v1', 'tidemark_ensure_day_v2', 'tidemark_identify_v1', 'tidemark_drop_retired_v1') then
      execute format('alter function %s security definer', o.name);
      execute format('alter function %s set search_path = %I, pg_temp', o.name, schema_name);
    end if;
  end loop;

  execute format('alter role %I set default_transaction_isolation = %L', writer_name, 'read committed');
  execute format('alter role %I set default_transaction_read_only = on', reader_name);
  execute format('alter role %I set statement_timeout = %L', reader_name, '60s');
end $$;
