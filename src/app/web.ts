// The HTTP application of a process, without a socket, so that `run`, `serve` and `deno serve` share it. Composition root.
import { createApp } from "../http/server/app.ts";
import { hashToken } from "../http/server/auth.ts";
import { type App, APP_DEFAULTS, type AppDeps, type AppSettings, EMBEDDED_DEFAULTS } from "../http/server/deps.ts";
import { type LoadedSettings, showSetting } from "../shared/config/load.ts";
import { SETTING_NAMES, type Settings } from "../shared/config/settings.ts";
import { VERSION } from "../shared/version.ts";

interface WebParts extends Omit<AppDeps, "settings" | "settingsView" | "version"> {
  /** The database is part of this process. */
  readonly embedded: boolean;
}

export async function webApp(loaded: LoadedSettings, { embedded, ...parts }: WebParts): Promise<App> {
  return createApp({
    ...parts,
    version: VERSION,
    settings: await appSettings(loaded.settings, embedded),
    settingsView: SETTING_NAMES.map((name) => ({
      name,
      value: showSetting(name, loaded),
      source: loaded.sources[name].from,
    })),
  });
}

async function appSettings(settings: Settings, embedded: boolean): Promise<AppSettings> {
  const hashes = await Promise.all(
    ([
      ["readTokenHash", settings.API_TOKEN],
      ["adminTokenHash", settings.API_ADMIN_TOKEN],
      ["chartTokenHash", settings.API_CHART_TOKEN],
      ["shareTokenHash", settings.API_SHARE_TOKEN],
    ] as const).map(async ([name, token]) => token === undefined ? [] : [[name, await hashToken(token)] as const]),
  );
  return {
    ...APP_DEFAULTS,
    ...(embedded && EMBEDDED_DEFAULTS),
    access: {
      ...Object.fromEntries(hashes.flat()),
      publicAccess: settings.API_PUBLIC,
      publicMetrics: settings.API_PUBLIC_METRICS,
    },
    corsOrigins: settings.API_CORS_ORIGINS ?? [],
    watermarkDelayMs: settings.WATERMARK_DELAY,
    idleTimeoutMs: settings.IDLE_TIMEOUT,
    rateLimit: settings.HTTP_RATE_LIMIT === null
      ? null
      : { perSecond: settings.HTTP_RATE_LIMIT, burst: settings.HTTP_RATE_BURST },
    proxyHops: settings.HTTP_PROXY_HOPS,
    freshnessObjectiveMs: settings.FRESHNESS_OBJECTIVE,
  };
}
