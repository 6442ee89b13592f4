// Style and script of the pages: part of the module graph, served with a hash of the content in their names. No I/O.
import { createHash } from "node:crypto";
import type { App } from "../server/deps.ts";
import script from "./dashboard_client.js" with { type: "text" };
import style from "./dashboard.css" with { type: "text" };

/** One asset. */
interface Asset {
  /** Changes with the content, so that browsers need not ask for it again. */
  readonly path: string;
  readonly type: string;
  readonly text: string;
}

export const ASSETS = {
  style: asset("dashboard", "css", "text/css; charset=utf-8", style),
  script: asset("dashboard", "js", "text/javascript; charset=utf-8", script),
} as const;

function asset(name: string, suffix: string, type: string, text: string): Asset {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return { path: `/assets/${name}.${hash}.${suffix}`, type, text };
}

/** Serves the assets. */
export function registerAssets(app: App): void {
  for (const { path, type, text } of Object.values(ASSETS)) {
    app.get(
      path,
      (c) => c.body(text, 200, { "content-type": type, "cache-control": "public, max-age=31536000, immutable" }),
    );
  }
}
