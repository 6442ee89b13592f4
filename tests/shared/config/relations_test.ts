// Every relation between settings is broken once; its neighbours at the boundary hold.
import { assertEquals } from "@std/assert";
import { defaultSettings } from "../../support/settings.ts";
import { metadataRefresh, relationNotices, relationProblems } from "../../../src/shared/config/relations.ts";
import { SETTING_GROUP_NAMES, type Settings } from "../../../src/shared/config/settings.ts";
import { durationMs } from "../../../src/shared/units.ts";

const ALL = new Set(SETTING_GROUP_NAMES);
const problems = (overrides: Partial<Settings>) => relationProblems(defaultSettings(overrides), ALL, new Set());
const firstWord = (overrides: Partial<Settings>) => problems(overrides).map((problem) => problem.split(" ", 1)[0]!);
const ms = durationMs;
const URL_LOCAL = { hosts: [{ host: "localhost", port: 5432 }] };
const URL_FAR = { hosts: [{ host: "db.example.com", port: 5432 }] };

Deno.test("relationProblems() names the setting to change for each broken relation", () => {
  const broken: readonly (readonly [string, Partial<Settings>])[] = [
    ["WINDOW_SIZE", { WINDOW_SIZE: ms(7 * 60_000) }],
    ["WATERMARK_DELAY", { WATERMARK_DELAY: ms(1_999) }],
    ["FILE_PATH", { SOURCE: "file" }],
    ["WORKERS", { SOURCE: "demo", WORKERS: 2 }],
    ["KAFKA_SASL_USERNAME", { KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_USERNAME: "u" }],
    ["KAFKA_SASL_USERNAME", { KAFKA_SASL_USERNAME: "u" }],
    ["KAFKA_TLS_CERT", { KAFKA_TLS: true, KAFKA_TLS_KEY: "k" }],
    ["KAFKA_TLS_CA", { KAFKA_TLS_CA: "c" }],
    ["POSTGRES_TLS_CA", { POSTGRES_TLS_CA: "c" }],
    ["POSTGRES_TLS_CA", { POSTGRES_TLS_CA: "c", POSTGRES_URL: URL_LOCAL }],
    ["POSTGRES_TLS_CERT", { POSTGRES_TLS_CERT: "c", POSTGRES_TLS_KEY: "k", POSTGRES_URL: URL_LOCAL }],
    ["POSTGRES_TLS_CERT", { POSTGRES_TLS_CERT: "c", POSTGRES_URL: URL_FAR }],
    ["POSTGRES_URL", { POSTGRES_URL: { ...URL_LOCAL, schema: "a" } }],
    ["API_TOKEN", { HTTP_HOST: "0.0.0.0" }],
    ["API_CHART_TOKEN", { API_CHART_TOKEN: "t", API_TOKEN: "t" }],
    ["API_CHART_TOKEN", { API_CHART_TOKEN: "t", API_ADMIN_TOKEN: "t" }],
    ["API_CHART_TOKEN", { API_CHART_TOKEN: "t", API_SHARE_TOKEN: "t" }],
    ["API_SHARE_TOKEN", { API_SHARE_TOKEN: "t", API_TOKEN: "t" }],
    ["API_SHARE_TOKEN", { API_SHARE_TOKEN: "t", API_ADMIN_TOKEN: "t" }],
    ["SHUTDOWN_TIMEOUT", { SHUTDOWN_TIMEOUT: ms(15_000) }],
  ];
  for (const [name, overrides] of broken) assertEquals(firstWord(overrides), [name], JSON.stringify(overrides));
});

Deno.test("relationProblems() is empty for the defaults and at the allowed side of each boundary", () => {
  const fine: readonly Partial<Settings>[] = [
    {},
    { WINDOW_SIZE: ms(86_400_000) },
    { WATERMARK_DELAY: ms(2_000) },
    { WATERMARK_DELAY: ms(0), SOURCE: "demo" },
    { SOURCE: "file", FILE_PATH: ["access.log"] },
    { KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_USERNAME: "u", KAFKA_SASL_PASSWORD: "p" },
    { KAFKA_TLS: true, KAFKA_TLS_CA: "c", KAFKA_TLS_CERT: "c", KAFKA_TLS_KEY: "k" },
    { POSTGRES_TLS_CA: "c", POSTGRES_URL: URL_FAR },
    { POSTGRES_TLS_CERT: "c", POSTGRES_TLS_KEY: "k", POSTGRES_URL: URL_FAR },
    { POSTGRES_SCHEMA: "a", POSTGRES_URL: { ...URL_LOCAL, schema: "a" } },
    { HTTP_HOST: "0.0.0.0", API_TOKEN: "t" },
    { HTTP_HOST: "::", API_PUBLIC: true },
    { API_TOKEN: "a", API_ADMIN_TOKEN: "b", API_CHART_TOKEN: "c", API_SHARE_TOKEN: "d" },
    { API_SHARE_TOKEN: "d" },
    { API_CHART_TOKEN: "c" },
    { SHUTDOWN_TIMEOUT: ms(15_001) },
  ];
  for (const overrides of fine) assertEquals(problems(overrides), [], JSON.stringify(overrides));
});

Deno.test("relationProblems() skips relations whose settings have no valid value", () => {
  const settings = defaultSettings({ HTTP_HOST: "0.0.0.0", SOURCE: "file" });
  assertEquals(relationProblems(settings, ALL, new Set(["API_TOKEN", "FILE_PATH"])), []);
});

Deno.test("metadataRefresh() reads twice in a watermark delay, at least every ten seconds", () => {
  for (const [delay, refresh] of [[2_000, 1_000], [10_000, 5_000], [20_000, 10_000], [60_000, 10_000]] as const) {
    assertEquals(metadataRefresh({ WATERMARK_DELAY: ms(delay) }), ms(refresh));
  }
});

Deno.test("relationNotices() warns of a password in clear to another machine only", () => {
  const login = { KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_USERNAME: "u", KAFKA_SASL_PASSWORD: "p" } as const;
  const count = (overrides: Partial<Settings>) => relationNotices(defaultSettings(overrides), ALL).length;
  assertEquals(count(login), 0);
  assertEquals(count({ ...login, KAFKA_URL: ["kafka.example.com:9093"] }), 1);
  assertEquals(count({ ...login, KAFKA_URL: ["kafka.example.com:9093"], KAFKA_TLS: true }), 0);
});
