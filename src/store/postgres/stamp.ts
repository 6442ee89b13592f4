// The search path that our functions carry, so that they use the tables of their own schema in any session. SQL texts only; no I/O.

/** Our functions whose bodies are bound to tables when they run; `begin atomic` bodies are bound when they are made. Uses p, n and l. */
const OURS =
  `p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\\_%' or p.proname like 'contribution\\_report%' or p.proname = 'breakdown_report')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)`;

const FROM = `pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang`;

/** Counts the functions of `schema` that do not carry its search path: after a rename or copy of the schema, or before they were stamped. */
export const unstampedSql = (schema: string): string =>
  `select count(*) from ${FROM} where n.nspname = '${schema.replaceAll("'", "''")}' and ${OURS}`;

/** Gives the functions of the current schema their search path where it is missing. */
export const STAMP_SQL = `do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure::text as signature from ${FROM}
    where n.nspname = current_schema() and ${OURS}
  loop
    execute format('alter function %s set search_path = %I, pg_temp', f.signature, current_schema());
  end loop;
end $$;
`;
