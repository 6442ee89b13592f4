// Settings without a file or an environment. No I/O.
import { loadSettings } from "../../src/shared/config/load.ts";
import type { Settings } from "../../src/shared/config/settings.ts";

/** All defaults with `overrides`. */
export function defaultSettings(overrides: Partial<Settings> = {}): Settings {
  const { settings } = loadSettings({
    flags: new Map(),
    env: { get: () => undefined, names: () => [] },
    readFile: () => "",
    instanceId: "instance",
  });
  return { ...settings, ...overrides };
}
