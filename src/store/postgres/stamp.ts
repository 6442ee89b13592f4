// The search path that our functions carry: they find the tables of their own schema whatever session, pooler or role calls them. Text only, no I/O.

/** Functions of ours whose bodies are read when they run; `begin atomic` bodies are bound when they are made. Needs p, n and l. */
const OURS =
  `p.prosqlbody is null and l.lanname in ('plpgsql', 'sql') and (p.proname like 'tidemark\\_%' or p.proname like 'contribution\\_report%')
    and not coalesce(p.proconfig @> array['search_path=' || quote_ident(n.nspname) || ', pg_temp'], false)`;

const FROM = `pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang`;

/** How many functions of `schema` lead elsewhere: after a rename or a copy of the schema, or before they were stamped. */
export const unstampedSql = (schema: string): string =>
  `select count(*) from ${FROM} where n.nspname = '${schema.replaceAll("'", "''")}' and ${OURS}`;

/** Stamps what is not stamped in the current schema. */
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
