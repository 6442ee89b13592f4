// The files of deploy/ and docker-compose.yml: systemd takes the units as docs/install.md installs them, the watchdog is as closed as the
// service, and compose hands every setting on and publishes every port by a setting.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { isSettingName } from "../../src/shared/config/settings.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));
const UNITS = ["tidemark.service", "tidemark-watchdog.service", "tidemark-watchdog.timer"];

/** Lines of a unit's [Service] section, by key; a key that is given twice has both values. */
async function serviceOptions(unit: string): Promise<Map<string, string>> {
  const section = /^\[Service\]$([\s\S]*?)(?=^\[|$(?![\s\S]))/m.exec(await read(`deploy/systemd/${unit}`))![1]!;
  const options = new Map<string, string>();
  for (const [, key, value] of section.matchAll(/^(\w+)=(.*)$/gm)) {
    options.set(key!, options.has(key!) ? `${options.get(key!)} ${value}` : value!);
  }
  return options;
}

Deno.test("the watchdog unit is as closed as the service, but for the user that may restart it", async () => {
  const service = await serviceOptions("tidemark.service"),
    watchdog = await serviceOptions("tidemark-watchdog.service");
  const closing = [...service].filter(([key]) =>
    /^(Protect|Private|Restrict|NoNew|Capability|Ambient|Lock|Remove|SystemCall|UMask)/.test(key) &&
    key !== "RestartSec"
  );
  assert(closing.length > 20, "the options are found");
  for (const [key, value] of closing) assertEquals(watchdog.get(key), value, key);
  assertEquals(watchdog.has("DynamicUser"), false);
});

Deno.test("docs/install.md installs what the units name", async () => {
  const page = await read("docs/install.md");
  for (const unit of UNITS) assertMatch(page, new RegExp(`deploy/systemd/${unit.replace(".", "\\.")}`));
  const service = await serviceOptions("tidemark.service");
  assertMatch(page, new RegExp(`-D \\S+ ${service.get("EnvironmentFile")}`));
  assertMatch(page, new RegExp(`install -m 755 \\S+ ${service.get("ExecStart")!.split(" ")[0]}`));
});

Deno.test("docker-compose.yml publishes every port by a setting, and hands every setting to each container of ours", async () => {
  const file = await read("docker-compose.yml");
  const ports = [...file.matchAll(/^ {4}ports: \["(.+)"\]$/gm)].map(([, port]) => port!);
  assertEquals(ports.length, 6);
  for (const port of ports) {
    const name = /^127\.0\.0\.1:\$\{([A-Z_]+):-\d+\}:\d+$/.exec(port)?.[1];
    assert(name !== undefined && isSettingName(name), port);
  }
  // Variables of a file that is named on the command line are known to compose alone: an env_file would hand on another file's.
  assert(!/^\s*env_file:/m.test(file));
  for (const [, name] of file.matchAll(/\$\{([A-Z_]+)[:?}-]/g)) {
    assert(isSettingName(name!.replace(/_FILE$/, "")), name);
  }
  assertMatch(file, /environment: &inside\n +<<: \*settings\n/);
});
