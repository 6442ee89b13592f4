// The HTTP application: middlewares in the order of a request, then the resources. A plain fetch handler.
import { OpenAPIHono } from "@hono/zod-openapi";
import { methodNotAllowed } from "hono/method-not-allowed";
import { authenticate } from "./auth.ts";
import { dataVersionReader } from "./caching.ts";
import { compressed } from "./compression.ts";
import { registerCharts } from "../api/reports/charts.ts";
import { registerCheckpoints } from "../api/stream/checkpoints.ts";
import { announced, bounded } from "./database.ts";
import { registerDeadLetters } from "../api/stream/dead_letters.ts";
import { registerLogin } from "../pages/login.ts";
import { registerPages } from "../pages/register.ts";
import type { App, AppDeps, AppEnv } from "./deps.ts";
import { registerDocs } from "../pages/docs/docs.tsx";
import { registerEvents } from "../api/events.ts";
import { crossOrigin, noStoreByDefault, securityHeaders } from "./headers.ts";
import { registerHealth } from "../api/health.ts";
import { registerKept } from "../api/kept/kept.ts";
import { registerLate } from "../api/stream/late.ts";
import { registerLedger } from "../api/stream/ledger.ts";
import { limits } from "./limits.ts";
import { registerMetrics } from "../api/metrics/metrics.ts";
import { Metrics } from "../api/metrics/catalogue.ts";
import { observe } from "./observe.ts";
import { openApiDocument, registerOpenApi } from "./openapi.ts";
import { registerPipeline } from "../api/stream/pipeline.ts";
import { databaseProbe } from "./probe.ts";
import { problemResponses } from "./problem_response.ts";
import { registerReports } from "../api/reports/reports.ts";
import { refuseInvalid } from "./validation.ts";
import { registerWindows } from "../api/stream/windows.ts";

/** Makes the application. Sockets and timers belong to the caller that serves it. */
export function createApp(given: AppDeps): App {
  const probed: AppDeps = { ...given, database: bounded(given.database, given.settings.queriesMax) };
  // Probes and scrapes do not count as readers.
  const deps: AppDeps = given.onRead ? { ...probed, database: announced(probed.database, given.onRead) } : probed;
  const { clock, log, settings } = deps;
  const metrics = new Metrics(deps.metrics);
  // Not strict: paths may end with a slash.
  const app: App = new OpenAPIHono<AppEnv>({ strict: false, defaultHook: refuseInvalid });
  const { onError, notFound, methodRefused } = problemResponses(log, deps.version);
  app.onError(onError);
  app.notFound(notFound);

  app.use(observe({ clock, log, metrics }));
  app.use(securityHeaders());
  app.use(noStoreByDefault());
  app.use(compressed());
  if (settings.corsOrigins.length > 0) {
    for (const path of ["/v1/*", "/openapi.json"]) app.use(path, crossOrigin(settings.corsOrigins));
  }
  const onLimited = () => metrics.counter("tidemark_http_rate_limited_total").inc();
  app.use(limits({ clock, rate: settings.rateLimit, proxyHops: settings.proxyHops, onLimited }));
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (c, allow) => methodRefused(c, allow) }));
  app.use(authenticate(settings, clock));

  // Not subject to the limit of statements: probes must be answered even while too many readers ask.
  const probe = databaseProbe(given.database, clock, settings.embedded);
  registerHealth(app, probed, probe);
  registerMetrics(app, probed, metrics, probe);
  const version = dataVersionReader(deps.database, clock, settings.queryTimeoutMs);
  registerReports(app, deps, version);
  registerCharts(app, deps, version);
  registerPipeline(app, deps);
  registerCheckpoints(app, deps);
  registerWindows(app, deps);
  registerLedger(app, deps);
  registerDeadLetters(app, deps);
  registerLate(app, deps);
  registerKept(app, deps);
  registerEvents(app, deps, metrics);
  const document = openApiDocument(app, deps.version);
  registerOpenApi(app, document);
  registerDocs(app, document);
  registerLogin(app, deps);
  registerPages(app, deps);
  return app;
}
