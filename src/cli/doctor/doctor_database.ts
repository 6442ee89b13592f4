// The checks of the database in `tidemark doctor`: reads facts, which src/operate judges. Shell.
import { countText } from "../../shared/quantities.ts";
import { wantedRules } from "../../event/stream_rules.ts";
import { appliedMigrations, MIGRATIONS } from "../../store/migrate.ts";
import type { StoredState } from "../../store/port.ts";
import type { Database } from "../../store/postgres/client.ts";
import { readServerFacts, serverFaults } from "../../store/postgres/preflight.ts";
import { imbalances } from "../../http/api/stream/ledger_balance.ts";
import { readLedger } from "../../http/api/stream/ledger_query.ts";
import { readSteps } from "../../http/api/stream/step_rows.ts";
import { stepFault } from "../../http/api/readiness.ts";
import { APP_DEFAULTS } from "../../http/server/deps.ts";
import { fail, type Finding, ok, skip, warn } from "../../operate/finding.ts";
import { type DatabaseFacts, judgeDatabase, judgeRules } from "../../operate/judge_database.ts";
import { differingSettings } from "../../operate/stream_settings.ts";
import { messageOf, NamedError } from "../../shared/errors.ts";
import { DAY } from "../../shared/units.ts";
import type { CommandContext } from "../command.ts";
import type { Storage } from "../../app/storage.ts";
import { settingsAsStored } from "../../app/stream_topic.ts";
import { openStore } from "../../app/wiring.ts";

const TIMEOUT_MS = 5_000;
const DEEP_TIMEOUT_MS = 30_000;
/** The rows of closed windows of this many days, up to the newest, are added up again. */
const DEEP_DAYS = 2;

export interface DatabaseReport {
  readonly findings: readonly Finding[];
  /** `null` without a stream or a readable schema. */
  readonly stored: StoredState | null;
  /** Whether the tables exist. */
  readonly ready: boolean;
}

/** Runs all checks that need the database. Faults are findings, never errors. */
export async function checkDatabase(storage: Storage, context: Omit<CommandContext, "flags">): Promise<DatabaseReport> {
  const { settings } = context;
  const findings: Finding[] = [];
  try {
    // By the connection for commits, because doctor's others are read-only, and "read-only" is one of the facts.
    const facts = await readFacts(storage.commits, context);
    findings.push(ok("postgres", storage.description));
    findings.push(...judgeDatabase(facts, settings.MAX_FUTURE_SKEW));
    if (storage.address.kind === "server") findings.push(...await checkDemands(storage.work, settings));
  } catch (error) {
    const action = error instanceof NamedError ? error.action : "Start PostgreSQL or check POSTGRES_URL.";
    return {
      findings: [
        fail("postgres", `${storage.description}: ${messageOf(error)}`, action),
        skip("schema", "no database"),
      ],
      stored: null,
      ready: false,
    };
  }
  const schema = await checkSchema(storage.work, settings.POSTGRES_SCHEMA);
  findings.push(schema.finding);
  if (!schema.ready) return { findings, stored: null, ready: false };
  const stored = await openStore(storage, settings).read();
  if (stored === null) return { findings: [...findings, skip("stream", "not started yet")], stored, ready: true };
  findings.push(
    stored.stopped === null ? ok("stream", "may run") : fail(
      "stream",
      `stopped by ${stored.stopped.code}: ${stored.stopped.message}`,
      `See ${stored.stopped.code} in docs/runbook.md; then \`tidemark resume\`.`,
    ),
    await checkStreamSettings(storage.work, context),
    judgeRules(stored.rules, wantedRules(context.settings)),
    await checkSteps(storage.work),
    await checkLedger(storage.work, context),
  );
  return { findings, stored, ready: true };
}

/** Conditions of a start beside version and rights: encoding, connection limit, columns that require a value. */
async function checkDemands(database: Database, settings: CommandContext["settings"]): Promise<Finding[]> {
  const faults = serverFaults(await readServerFacts(database, settings.POSTGRES_SCHEMA), {
    connections: database.pooled ? 0 : settings.POSTGRES_CONNECTIONS,
    makes: false,
  });
  const judged = ["postgres_encoding", "postgres_connections", "foreign_column"] as const;
  return judged.map((code) => {
    const fault = faults.find((found) => found.code === code);
    return fault ? fail(code, fault.message, fault.action) : ok(code, "as required");
  });
}

async function checkSchema(
  database: Database,
  schema: string,
): Promise<{ readonly finding: Finding; readonly ready: boolean }> {
  const applied = await appliedMigrations(database);
  if (applied === null) {
    return { finding: ok("schema", `${schema}: does not exist yet; \`run\` and \`migrate\` make it`), ready: false };
  }
  const missing = MIGRATIONS.filter((name) => !applied.has(Number(name.slice(0, 4))));
  const known = MIGRATIONS.map((name) => Number(name.slice(0, 4)));
  const newer = [...applied.keys()].filter((version) => !known.includes(version));
  if (missing.length > 0) {
    const finding = fail(
      "schema",
      `${schema}: ${missing.join(", ")} missing`,
      "Run `tidemark migrate` (`run` does it at its start, too).",
    );
    return { finding, ready: false };
  }
  const finding = newer.length > 0
    ? warn("schema", `${schema}: was migrated by a newer release`, "Upgrade this program.")
    : ok("schema", `${schema}: up to date (${MIGRATIONS.at(-1)})`);
  return { finding, ready: true };
}

/** Whether a start would refuse the settings. */
async function checkStreamSettings(
  database: Database,
  { settings }: Pick<CommandContext, "settings">,
): Promise<Finding> {
  const differing = await differingSettings(database, await settingsAsStored(settings, database));
  if (differing.length === 0) return ok("stream_settings", "as when the stream was made");
  return fail(
    "stream_settings",
    differing.join("; "),
    "Use the old settings, or another POSTGRES_SCHEMA and KAFKA_GROUP for a second stream.",
  );
}

async function checkLedger(database: Database, { clock }: Pick<CommandContext, "clock">): Promise<Finding> {
  const now = clock.now();
  try {
    const known = await readLedger(database, null, DEEP_TIMEOUT_MS);
    if (known === null) return skip("ledger", "not started yet");
    // The newest windows of a stream that reads a backlog or an old log are far behind the clock.
    const newest = Math.min(now, known.closed_through ?? now);
    const sums = await readLedger(database, { from: newest - DEEP_DAYS * DAY, to: now + DAY }, DEEP_TIMEOUT_MS);
    if (sums === null) return skip("ledger", "not started yet");
    const wrong = imbalances(sums);
    if (wrong.length > 0) {
      return fail(
        "ledger",
        `${wrong.length} equations do not hold: ${wrong.slice(0, 3).map((w) => w.message).join("; ")}`,
        "The tables were changed by hand, or the disk lost data: see 'The ledger does not balance' in docs/runbook.md.",
      );
    }
    const from = new Date(newest - DEEP_DAYS * DAY).toISOString();
    return ok(
      "ledger",
      `balanced; the rows of ${countText(sums.deep?.windows_checked ?? 0)} windows since ${from} were added up again`,
    );
  } catch (error) {
    return skip("ledger", messageOf(error));
  }
}

/** The states of steps that the processes of the stream have stored. */
async function checkSteps(database: Database): Promise<Finding> {
  try {
    const steps = await readSteps(database, TIMEOUT_MS);
    if (steps.length === 0) return skip("steps", "no process has stored the states of its steps in the last minutes");
    const faults = steps.flatMap(({ step, state, at, instance }) => {
      const fault = stepFault(step, state, at, APP_DEFAULTS.progressTimeoutMs);
      return fault === null ? [] : [{ instance, ...fault }];
    });
    const [first] = faults;
    if (first === undefined) return ok("steps", `${steps.map(({ step }) => step).join(", ")}: all make progress`);
    return fail(
      "steps",
      faults.map(({ instance, reason }) => `instance ${instance}: ${reason}`).join("; "),
      `See ${first.code} in docs/runbook.md.`,
    );
  } catch (error) {
    return skip("steps", messageOf(error));
  }
}

/** The server's answers, and its clock in epoch ms. */
type FactsRow = Omit<DatabaseFacts, "aheadMs" | "exactMs"> & { readonly now: number };

async function readFacts(
  database: Database,
  { settings, clock }: Pick<CommandContext, "settings" | "clock">,
): Promise<DatabaseFacts> {
  const schema = settings.POSTGRES_SCHEMA;
  const ask = () =>
    database.query((sql) =>
      sql<FactsRow[]>`
        select current_setting('server_version_num')::integer as version, current_setting('server_version') as "versionText",
          current_user::text as user, (select rolsuper from pg_roles where rolname = current_user) as superuser,
          current_setting('transaction_isolation') as isolation,
          current_setting('fsync')::boolean as fsync, current_setting('full_page_writes')::boolean as "fullPageWrites",
          pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as "readOnly",
          (extract(epoch from clock_timestamp()) * 1000)::float8 as now,
          (select bool_and(has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
             and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete'))
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = ${schema} and c.relname in ('stream', 'stream_partition', 'open_delta', 'web_traffic_window', 'commit_history')) as "mayWrite",
          (select pg_has_role(c.relowner, 'usage') or exists (
             select from pg_proc f where f.pronamespace = n.oid and f.proname = 'tidemark_ensure_day_v2' and f.prosecdef)
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = ${schema} and c.relname = 'aggregated_web_traffic') as "mayMakeDays",
          coalesce((select has_schema_privilege(n.oid, 'create') from pg_namespace n where n.nspname = ${schema}),
            has_database_privilege(current_database(), 'create')) as "mayCreate"`, TIMEOUT_MS);
  await ask(); // the first statement includes connecting, which would look like a wrong clock
  const sentAt = clock.now();
  const [row] = await ask();
  const answeredAt = clock.now();
  const { now, ...facts } = row!;
  return { ...facts, aheadMs: now - (sentAt + answeredAt) / 2, exactMs: (answeredAt - sentAt) / 2 };
}
