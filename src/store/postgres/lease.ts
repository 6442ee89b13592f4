// The lease of a log's one reader: a row that expires by PostgreSQL's clock. Shell.
import type { Lease } from "../../source/lease.ts";
import type { Database } from "./client.ts";

/** It is renewed every two seconds; a dead holder is replaced after this. */
const LEASE_SECONDS = 10;
const TIMEOUT_MS = 3_000;
/** In the embedded database a statement may wait for a large commit and a closing; no other process can take the lease meanwhile. */
const EMBEDDED_TIMEOUT_MS = 30_000;

/**
 * A lease called `name`, held as `holder` (unique to the process). An expired lease can still be renewed until another process takes it: the
 * row names the holder, so a database that was busy for long does no harm.
 */
export function postgresLease(
  { database, embedded }: { readonly database: Database; readonly embedded: boolean },
  name: string,
  holder: string,
): Lease {
  const timeoutMs = embedded ? EMBEDDED_TIMEOUT_MS : TIMEOUT_MS;
  return {
    async acquire() {
      const rows = await database.query((sql) =>
        sql`
          insert into tm.lease as l (name, holder, expires_at)
          values (${name}, ${holder}, clock_timestamp() + make_interval(secs => ${LEASE_SECONDS}))
          on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
          where l.holder = excluded.holder or l.expires_at < clock_timestamp()
          returning 1`, timeoutMs);
      return rows.length === 1;
    },
    async renew() {
      const rows = await database.query((sql) =>
        sql`
          update tm.lease set expires_at = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS})
          where name = ${name} and holder = ${holder}
          returning 1`, timeoutMs);
      return rows.length === 1;
    },
    async release() {
      await database.query((sql) => sql`delete from tm.lease where name = ${name} and holder = ${holder}`, timeoutMs);
    },
  };
}
