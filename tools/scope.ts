// Permissions of this repository's program by a settings file: what `deno task compile` and `deno task run:scoped` share. Reads files.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { loadSettings } from "../src/shared/config/load.ts";
import { parseSettingsFile } from "../src/shared/config/file.ts";
import { genericPermissions, permissionFlags, scopedPermissions } from "./permissions.ts";

/** Root of the repository, without a trailing slash. */
export const REPOSITORY = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
export const MAIN = `${REPOSITORY}/src/main.ts`;
/** A short-lived heap grows small, which saves memory; `gc` gives back what a backlog took. */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=4,--expose-gc,--no-concurrent-array-buffer-sweeping";

export interface ScopeOptions {
  /** Settings file; the environment wins over it, as it does for the program. */
  readonly envFile: string;
  /** Any host and any file to read: for a binary that others configure. */
  readonly generic: boolean;
  /** Further `host:port` of brokers. */
  readonly net: readonly string[];
  /** Whether the SQL and the worker are read from this folder; a binary carries them. */
  readonly fromSource: boolean;
}

/** Flags of Deno for the settings in force. @throws UsageError where they are wrong */
export function scopeFlags({ envFile, generic, net, fromSource }: ScopeOptions): readonly string[] {
  const content = Deno.readTextFileSync(envFile);
  const environment = { get: (name: string) => Deno.env.get(name), names: () => [] };
  const { settings } = loadSettings({
    flags: new Map(),
    env: environment,
    file: { path: envFile, content },
    readFile: (path) => Deno.readTextFileSync(path),
    instanceId: "build",
  });
  // As it is: only this build uses its folder, and a relative one means the folder in which the binary is started.
  if (generic) return permissionFlags(genericPermissions(settings, { absolute: (path) => path }));
  const absolute = (path: string) => resolve(path);
  const secrets = [
    ...parseSettingsFile(content).lines.map(({ name, value }) => [name, Deno.env.get(name) ?? value] as const),
  ]
    .filter(([name, value]) => name.endsWith("_FILE") && value !== "").map(([, value]) => value);
  const read = [envFile, ...secrets, ...(fromSource ? sourceFolders() : [])];
  return permissionFlags(scopedPermissions(settings, { absolute, net, read }));
}

/** What a binary carries and a run from source reads by path: SQL, the worker's modules, and the embedded database's files in Deno's cache. */
function sourceFolders(): readonly string[] {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"], cwd: "/" }).outputSync();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout)) as { npmCache: string };
  return [`${REPOSITORY}/ddl`, `${REPOSITORY}/src`, npmCache];
}
