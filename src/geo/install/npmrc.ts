// Which npm registry serves a scope and how one identifies oneself there, by npm's own rules for settings. Pure.
// No library: it has to work without Node's modules.

/** npm's public default: where `tidemark geo install` downloads for users who have set no registry of their own. */
export const PUBLIC_REGISTRY = "https://registry.npmjs.org/";

/** Settings by name, as written in `.npmrc` files and `NPM_CONFIG_…` variables. */
export type NpmConfig = ReadonlyMap<string, string>;

/** Reads one `.npmrc` (`name = value` lines; `#` and `;` open comments); `${NAME}` means an environment variable and stays as it is where there is none. */
export function parseNpmrc(text: string, env: (name: string) => string | undefined): NpmConfig {
  const config = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line);
    if (match === null) continue;
    const value = match[2]!.replace(/^(["'])(.*)\1$/, "$2");
    config.set(match[1]!, value.replace(/\$\{([^}]+)\}/g, (whole, name: string) => env(name) ?? whole));
  }
  return config;
}

/** The registry for a scope (`@name`), with a slash at its end. @throws {TypeError} where the setting is not a URL. */
export function registryFor(config: NpmConfig, scope: string): URL {
  const url = new URL(config.get(`${scope}:registry`) ?? config.get("registry") ?? PUBLIC_REGISTRY);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/**
 * The Authorization header for a URL, or null. Settings name the address they are for (`//host/path/:_authToken`); a token is sent to that address and
 * what lies below it, and nowhere else.
 */
export function authorizationFor(config: NpmConfig, url: URL): string | null {
  for (let path = url.pathname;;) {
    path = path.replace(/[^/]*$/, "");
    const token = config.get(`//${url.host}${path}:_authToken`);
    if (token !== undefined) return `Bearer ${token}`;
    const basic = config.get(`//${url.host}${path}:_auth`);
    if (basic !== undefined) return `Basic ${basic}`;
    if (path === "/") return null;
    path = path.slice(0, -1);
  }
}
