// Finds a scope's npm registry and its credentials by npm's rules for settings. Pure.
// Of `registry-url` only npm's default address is used: the library itself reads files and variables that a scoped process may not.
import { defaultUrl } from "registry-url";

/** Settings of `.npmrc` files and `NPM_CONFIG_…` variables by name. */
export type NpmConfig = ReadonlyMap<string, string>;

/** Reads an `.npmrc`: `name = value` lines; `#` and `;` begin comments. `${NAME}` is an environment variable, and stays if it is not set. */
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

/** The registry for a scope (`@name`), with a slash at its end. @throws {TypeError} if the setting is not a URL. */
export function registryFor(config: NpmConfig, scope: string): URL {
  const url = new URL(config.get(`${scope}:registry`) ?? config.get("registry") ?? defaultUrl);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/**
 * The Authorization header for a URL, or null. A setting names its address (`//host/path/:_authToken`); the token is sent only to that address and
 * the paths below it.
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
