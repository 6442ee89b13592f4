// The API and pages for `deno serve` and hosts at the edge: read-only, from PostgreSQL, with Deno's own server. Shell and composition root:
// reads the environment when it is loaded.
import { Registry } from "./shared/metrics.ts";
import { systemClock } from "./shared/clock.ts";
import { postgresTarget } from "./shared/config/postgres.ts";
import { loadSettings } from "./shared/config/load.ts";
import { UsageError } from "./shared/errors.ts";
import { createLog } from "./shared/log.ts";
import { Database } from "./store/postgres/client.ts";
import { webApp } from "./app/web.ts";

/** statement_timeout of a direct connection. Poolers do not take the parameter; then only the API's own deadlines apply. */
const STATEMENT_TIMEOUT_MS = 30_000;

/** The variable's value; `undefined` also if the process may not read it, so that a scoped process needs only its own variables. */
function variable(name: string): string | undefined {
  return Deno.permissions.querySync({ name: "env", variable: name }).state === "granted"
    ? Deno.env.get(name)
    : undefined;
}

const loaded = loadSettings({
  flags: new Map(),
  env: { get: variable, names: () => [] },
  readFile: (path) => Deno.readTextFileSync(path),
  instanceId: "edge",
  groups: ["windows", "storage", "http", "process"],
});
const { settings } = loaded;
const target = postgresTarget(settings);
if (target.kind === "embedded") {
  throw new UsageError(
    ["POSTGRES_URL is required: only the process that fills an embedded database can read it"],
    "Point POSTGRES_URL at the server (or its pooler) that `tidemark run` writes to.",
  );
}
const log = createLog({
  level: settings.LOG_LEVEL,
  format: settings.LOG_FORMAT === "text" ? "text" : "json",
  // deno-lint-ignore no-console
  write: (line) => console.error(line),
  now: systemClock.now,
});
for (const notice of loaded.notices) log.warn(notice);
const app = await webApp(loaded, {
  database: new Database({
    address: target,
    schema: settings.POSTGRES_SCHEMA,
    applicationName: `${target.applicationName ?? "tidemark"} edge`,
    max: settings.POSTGRES_CONNECTIONS,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    readOnly: true,
  }),
  clock: systemClock,
  log,
  metrics: new Registry(),
  snapshots: () => [],
  geo: () => null,
  embedded: false,
});

const handler: Deno.ServeDefaultExport = {
  fetch(request, { remoteAddr }) {
    const remoteAddress = "hostname" in remoteAddr ? remoteAddr.hostname : undefined;
    return app.fetch(request, { incoming: { socket: { remoteAddress } } });
  },
};
export default handler;
