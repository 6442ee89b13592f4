// Names in the code and names on the pages are the same: settings, endpoints, problems, metrics, alerts, dead-letter reasons.
// Named errors: runbook_test.ts.
import { assert, assertEquals } from "@std/assert";
import { openApi } from "../../tools/docs_http_api_page.ts";
import { alertsOf } from "../../tools/docs_monitoring_page.ts";
import { METRICS_CATALOGUE } from "../../src/http/api/metrics/catalogue.ts";
import { PROBLEMS } from "../../src/http/server/problem.ts";
import { DEAD_REASONS } from "../../src/shared/dead_reasons.ts";
import { ENVIRONMENT_NAMES, SETTING_NAMES } from "../../src/shared/config/settings.ts";
import { walkFiles } from "../support/files.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

/** Text of all pages, by path. */
async function pages(): Promise<Map<string, string>> {
  const found = new Map([["README.md", await read("README.md")], ["CONTRIBUTING.md", await read("CONTRIBUTING.md")]]);
  for await (const path of walkFiles(new URL("docs/", ROOT))) {
    if (path.endsWith(".md")) found.set(`docs/${path}`, await read(`docs/${path}`));
  }
  return found;
}

/** Every match of `pattern`'s first group on any page, with the page, where `known` does not hold it. */
async function unknown(pattern: RegExp, known: ReadonlySet<string>): Promise<string[]> {
  const found: string[] = [];
  for (const [path, page] of await pages()) {
    for (const match of page.matchAll(pattern)) if (!known.has(match[1]!)) found.push(`${path}: ${match[1]}`);
  }
  return [...new Set(found)];
}

/** Variables of others that pages speak of. */
const FOREIGN_VARIABLES = [
  "NO_COLOR",
  "DENO_CERT",
  "DENORT_BIN",
  "OTEL_DENO",
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "KAFKA_TEST_URL",
  "POSTGRES_TEST_URL",
  "CHROMIUM_PATH",
  "TEST_SETUP",
  "FILES_SEEDS",
  "FILES_FROM",
  "NPM_CONFIG_REGISTRY",
  "ADMIN_URL",
  "RESTORED_URL",
];

Deno.test("settings: each has a row in docs/configuration.md, and pages name no others", async () => {
  const page = await read("docs/configuration.md");
  const rows = [...page.matchAll(/^\| `([A-Z_]+)`/gm)].map((match) => match[1]!);
  assertEquals(rows.sort(), [...SETTING_NAMES].sort());
  const known = new Set([...ENVIRONMENT_NAMES, ...FOREIGN_VARIABLES]);
  assertEquals(await unknown(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`/g, new Set([...known, "NAME_FILE"])), []);
  assertEquals(await unknown(/^(?:export )?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)=/gm, known), []);
});

Deno.test("endpoints: each has a section in docs/http_api.md, and pages name no others", async () => {
  const paths = Object.keys((await openApi()).paths ?? {});
  const page = await read("docs/http_api.md");
  const sections = new Set([...page.matchAll(/^### [A-Z]+ (\S+)$/gm)].map((match) => match[1]!));
  assertEquals([...sections].sort(), paths.sort());
  // `/v1/reports/{a,b}` means several; the calls below a section's heading are made by docs_examples_test.ts.
  const prefixes = paths.flatMap((path) => path.split("/").map((_, n, parts) => parts.slice(0, n + 1).join("/")));
  const wrong = await unknown(
    /[`\s](\/v1\/[\w/-]+(?:\.svg)?)(?![\w:{-])/g,
    new Set([...paths, ...prefixes, ...prefixes.map((p) => `${p}/`)]),
  );
  assertEquals(wrong.filter((text) => !/\/v1\/(?:windows\/20|views\/Germany|notes\/1)/.test(text)), []);
});

Deno.test("problems: each has a row in docs/http_api.md", async () => {
  const page = await read("docs/http_api.md");
  const rows = [...page.slice(page.indexOf("## Problems")).matchAll(/^\| `([a-z_]+)`/gm)].map((match) => match[1]!);
  assertEquals(rows.sort(), Object.keys(PROBLEMS).sort());
});

Deno.test("metrics: each has a row in docs/monitoring.md; pages, rules and the dashboard name no others", async () => {
  const names = Object.keys(METRICS_CATALOGUE);
  const rows = [...(await read("docs/monitoring.md")).matchAll(/^\| `(tidemark_[a-z_]+)`/gm)].map((match) => match[1]!);
  assertEquals(rows.sort(), names.sort());
  const rules = (await read("deploy/prometheus/rules/tidemark.yml")).replace(/^ *#.*$/gm, "");
  const recorded = [...rules.matchAll(/record: (\S+)/g)].map((match) => match[1]!);
  const series = new Set([...names, ...names.flatMap((n) => [`${n}_bucket`, `${n}_sum`, `${n}_count`])]);
  const dashboard = await read("deploy/grafana/dashboards/tidemark.json");
  for (const text of [rules, await read("deploy/prometheus/rules/tidemark_test.yml"), dashboard]) {
    const used = [...text.matchAll(/\btidemark_[a-z_]+\b(?!\.yml)/g)].map(([name]) => name);
    assertEquals(used.filter((name) => !series.has(name) && name !== "tidemark_test"), []);
    const levels = [...text.matchAll(/\btidemark:[a-z_]+:[a-z0-9_]+\b/g)].map(([name]) => name);
    assertEquals(levels.filter((name) => !recorded.includes(name)), []);
  }
  const functionsAndTables = /^tidemark_\w+_v\d*$/;
  const wrong = await unknown(/`(tidemark_[a-z_0-9]+)/g, series);
  assertEquals(wrong.filter((text) => !functionsAndTables.test(text.split(": ")[1]!)), []);
});

Deno.test("alerts: each has an entry in docs/runbook.md and a test of its rule, and pages name no others", async () => {
  const alerts = alertsOf(await read("deploy/prometheus/rules/tidemark.yml"));
  assert(alerts.length > 10);
  const names = alerts.map(({ name }) => name);
  const entries = [...(await read("docs/runbook.md")).matchAll(/^#+ (Tidemark[A-Z]\w+)$/gm)].map((match) => match[1]!);
  assertEquals(entries.sort(), [...names].sort());
  for (const { name, runbook, severity } of alerts) {
    assertEquals(runbook, `docs/runbook.md#${name.toLowerCase()}`);
    assert(["critical", "warning", "info"].includes(severity), name);
  }
  const tests = await read("deploy/prometheus/rules/tidemark_test.yml");
  assertEquals(names.filter((name) => !tests.includes(name)), []);
  assertEquals(await unknown(/\b(Tidemark[A-Z]\w+)\b/g, new Set(names)), []);
});

Deno.test("dead-letter reasons: each is in the table of docs/concepts.md", async () => {
  const page = await read("docs/concepts.md");
  assertEquals(DEAD_REASONS.filter((reason) => !page.includes(`\`${reason}\``)), []);
});
