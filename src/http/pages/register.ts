// Registers the pages.
import type { App, AppDeps } from "../server/deps.ts";
import { registerAssets } from "./assets.ts";
import { registerKeptForms } from "./kept/kept_forms.ts";
import { overviewFragments, overviewPage } from "./overview/overview_page.tsx";
import { pipelineFragments, pipelinePage } from "./pipeline/pipeline_page.tsx";
import { windowPage } from "./pipeline/window_page.tsx";
import { ReportCache } from "./overview/report_cache.ts";

/** Registers `/`, `/pipeline`, their live sections and their assets. */
export function registerPages(app: App, deps: AppDeps): void {
  const cache = new ReportCache(deps.clock);
  registerAssets(app);
  registerKeptForms(app, deps);
  app.get("/", (c) => overviewPage(c, deps, cache));
  app.get("/fragments/overview", (c) => overviewFragments(c, deps, cache));
  app.get("/pipeline", (c) => pipelinePage(c, deps, cache));
  app.get("/windows/:start", (c) => windowPage(c, deps));
  app.get("/fragments/pipeline", (c) => pipelineFragments(c, deps, cache));
}
