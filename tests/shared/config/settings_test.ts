// What every row of the table owes.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseValue } from "../../../src/shared/config/kinds.ts";
import { ENVIRONMENT_NAMES, flagOf, SETTING_NAMES, settingOf } from "../../../src/shared/config/settings.ts";

Deno.test("every default and every example is a value of its own kind", () => {
  for (const name of SETTING_NAMES) {
    const { kind, default: value, example } = settingOf(name);
    for (const text of [value, example]) {
      if (text !== undefined) assert(parseValue(kind, text).ok, `${name}=${text}`);
    }
  }
});

Deno.test("every setting has a name, a flag of its own, and a sentence", () => {
  const flags = SETTING_NAMES.flatMap((name) => {
    const { alias } = settingOf(name);
    return [flagOf(name), ...alias ? [`--${alias}`] : []];
  });
  assertEquals(new Set(flags).size, flags.length);
  for (const name of SETTING_NAMES) {
    assertMatch(name, /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
    assertMatch(settingOf(name).doc, /^[A-Za-z].+\.$/s);
    assertMatch(settingOf(name).kind.grammar, /^\S.*[^.]$/);
  }
});

Deno.test("every secret that this program uses can be read from a file, and no `_FILE` form is another setting's name", () => {
  for (const name of SETTING_NAMES) {
    const { secret, fromFile, group } = settingOf(name);
    if (secret && group !== "legacy") assert(fromFile, name);
  }
  assertEquals(new Set(ENVIRONMENT_NAMES).size, ENVIRONMENT_NAMES.length);
});

Deno.test("the settings of the system that this one replaces go on working", () => {
  const old = [
    "KAFKA_URL",
    "KAFKA_TOPIC",
    "KAFKA_GROUP",
    "POSTGRES_URL",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_DB",
  ];
  const compose = ["PGADMIN_DEFAULT_EMAIL", "PGADMIN_DEFAULT_PASSWORD", "IP_CODING_KEY"];
  for (const name of [...old, ...compose]) assert(ENVIRONMENT_NAMES.includes(name), name);
});
