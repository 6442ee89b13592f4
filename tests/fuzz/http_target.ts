// Any query on every documented route and page over a filled database: never an error of ours, a problem document for every refusal, and answers
// that fit the document.
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { createApp } from "../../src/http/server/app.ts";
import { PAGE_PARAMETERS } from "../../src/http/pages/page_query.ts";
import { encodeCursor } from "../../src/http/server/cursor.ts";
import { encodeContributionCursor } from "../../src/report/report_query.ts";
import { createLog } from "../../src/shared/log.ts";
import { openApi } from "../../tools/docs_http_api_page.ts";
import { DAY0, MIN } from "../http/stream_fixture.ts";
import { NOW, settings, snapshot, TestClock } from "../http/app_fixture.ts";
import { Registry } from "../../src/shared/metrics.ts";
import { type FuzzDatabase, openFuzzDatabase } from "./http_database.ts";
import { type Below, type Chance, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf, type Verdict } from "./target.ts";

type Document = Awaited<ReturnType<typeof openApi>>;
const document: Document = await openApi();

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema?: {
    readonly type?: string | readonly string[];
    readonly enum?: readonly string[];
    readonly anyOf?: readonly unknown[];
    readonly minimum?: number;
    readonly maximum?: number;
    readonly format?: string;
  };
}
interface Route {
  readonly path: string;
  readonly parameters: readonly Parameter[];
}

const API: readonly Route[] = Object.entries(document.paths ?? {}).flatMap(([path, item]) => {
  const { get } = item as { get?: { parameters?: readonly Parameter[] } };
  return get === undefined ? [] : [{ path, parameters: get.parameters ?? [] }];
});
/** Pages take what they know and ignore the rest. */
const ON_PAGES: readonly Parameter[] = PAGE_PARAMETERS.map((name) => ({ name, in: "query" }));
const PAGES: readonly Route[] = ["/", "/pipeline", "/docs", "/openapi.json"].map((path) => ({
  path,
  parameters: ON_PAGES,
}));
/** The event stream ends when its client does; its query is the same as that of others. */
const ROUTES = [...API, ...PAGES].filter(({ path }) => path !== "/v1/events");

const DATES = [
  "2026-01-30",
  "2026-01-31",
  "2026-02-01",
  "2025-12-31",
  "2026-02-29",
  "0001-01-01",
  "9999-12-31",
  "9999-12-30",
  "0000-01-01",
  "2024-02-29",
  "2026-1-1",
  "10000-01-01",
];
const TIMES = [
  "2026-01-31T00:00:00Z",
  "2026-01-31T00:05:00.000Z",
  "2026-01-31T00:00:00+02:00",
  "1970-01-01T00:00:00Z",
  "9999-12-31T23:55:00Z",
  "9999-12-31T23:59:59.999Z",
  "1969-12-31T23:59:59Z",
  "0000-01-01T00:00:00Z",
  "2026-02-30T00:00:00Z",
  "2026-01-31",
];
const ZONES = [
  "UTC",
  "Europe/Berlin",
  "Asia/Kathmandu",
  "Pacific/Apia",
  "America/New_York",
  "Antarctica/Troll",
  "Etc/GMT+12",
  "utc",
  "EST5EDT",
  "+01:00",
  "Mars/Base",
  "GMT",
  "Africa/Monrovia",
  "posixrules",
  "Factory",
];
const NUMBERS = [
  "0",
  "1",
  "10",
  "100",
  "1000",
  "1001",
  "-1",
  "1e3",
  "0x10",
  "01",
  "1.5",
  "999999999999999",
  "",
  " 1",
  "2147483647",
  "2147483648",
];
const WORDS = [
  "",
  "a.example",
  "https://r.example/",
  "(direct)",
  "(other)",
  "é",
  "日本",
  "😀",
  "%",
  "\u0000",
  "a\u0000b",
  "\u001f",
  "\ufffd",
  "x".repeat(4096),
  "x".repeat(4097),
  "' or 1=1 --",
  "<script>",
  "true",
  "false",
  "open",
  "closed",
  "bad_json",
  "missing_host",
  "BAD",
  "all",
  "1",
];
const INTEGERS = [
  0,
  1,
  -1,
  DAY0,
  DAY0 + 5 * MIN,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  999_999_999_999_999_999,
  -999_999_999_999_999_999,
  1.5,
  253_402_300_800_000,
  8.64e15,
];
const UUIDS = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "x"];

function cursor({ pick, once, int, many }: Chance): string {
  const kind = pick(["windows", "late", "dead", "samples", "commits"]);
  const values = once(3)
    ? many(4, () => once(3) ? pick(UUIDS) : pick(INTEGERS))
    : kind === "samples"
    ? [pick(INTEGERS), once(4) ? pick(INTEGERS) : int(0, 2), pick(INTEGERS)]
    : kind === "commits"
    ? [pick(INTEGERS), pick(UUIDS)]
    : [pick(INTEGERS)];
  if (once(2)) return encodeCursor(kind, values.map((value) => once(4) ? String(value) : value));
  const place = () => pick(["AU", "", "Sydney", "\u0000", "New South Wales", "x".repeat(600), "\ud800"]);
  return encodeContributionCursor([once(4) ? pick(INTEGERS) : int(-20, 20), place(), place(), place()]);
}

function valueOf(parameter: Parameter, chance: Chance): string {
  const { pick, once } = chance;
  const { name, schema = {} } = parameter;
  if (once(12)) return pick([...WORDS, ...NUMBERS, ...TIMES, ...DATES]);
  if (schema.enum !== undefined) return once(12) ? pick(WORDS) : pick(schema.enum);
  switch (name) {
    case "cursor":
      return cursor(chance);
    case "tz":
      return pick(ZONES);
    case "range":
      return pick(["today", "yesterday", "7d", "last_month", "year", "1d"]);
    case "place":
      return pick(["city", "region", "country", "town"]);
    case "traffic":
      return pick(["all", "human", "bot"]);
    case "late":
      return pick(["include", "exclude"]);
    case "compare":
      return pick(["previous_day", "same_weekday", "previous_period", "previous_year"]);
    case "channel":
      return pick(["direct", "search", "internal", "unclassified"]);
    case "filter":
      return pick([
        "host:is:a;referrer:is:",
        "city:contains:' or '1",
        "channel:is_not:search",
        "country:is:\u0000",
        "x",
      ]);
    case "from":
    case "to":
    case "start":
      return pick(schema.format === "date-time" ? TIMES : once(20) ? TIMES : DATES);
  }
  if (schema.type === "integer" || schema.minimum !== undefined) return pick(NUMBERS);
  return pick(WORDS);
}

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const { pick, once, mostly } = chance;
  const route = pick(ROUTES);
  // Mostly few parameters at once: one fault hides the next.
  const wanted = route.parameters.filter(({ in: where }) => where === "query" && once(3));
  const parameters = new URLSearchParams();
  for (const parameter of wanted) parameters.append(parameter.name, valueOf(parameter, chance));
  if (once(20) && wanted.length > 0) parameters.append(wanted[0]!.name, valueOf(wanted[0]!, chance));
  if (once(30)) parameters.append(pick(["x", "lmit", "__proto__", "from[]", "", "<b>"]), pick(WORDS));
  const path = route.path.replace(/\{\w+\}/g, () => encodeURIComponent(pick(TIMES)));
  let query = parameters.toString();
  if (once(10)) {
    query = new TextDecoder("latin1").decode(mutated(new TextEncoder().encode(query), below)).replace(
      /[^\x21-\x7e]/g,
      "~",
    );
  }
  const target = `${path}${query === "" ? "" : `?${query}`}`;
  return textCase(
    target,
    mostly(["", "", "application/json", "text/csv", "application/x-ndjson", "text/plain"], [
      "image/png",
      "*/*;q=0",
      "a/b;q=x, ,",
      "text/*",
    ]),
  );
}

/** What a schema says of an answer, compiled once for each route and status. */
class Schemas {
  readonly #known = new Map<string, ValidateFunction | null>();

  fault(path: string, status: number, type: string, body: unknown): string | undefined {
    const template = API.find(({ path: known }) =>
      new RegExp(`^${known.replace(/[.]/g, "\\.").replace(/\{\w+\}/g, "[^/]+")}$`).test(path)
    )?.path;
    if (template === undefined) return undefined;
    const key = `${template} ${status} ${type}`;
    let validate = this.#known.get(key);
    if (validate === undefined) {
      const responses = (document.paths as Record<
        string,
        { get: { responses: Record<string, { content?: Record<string, { schema: object }> }> } }
      >)[template]!.get.responses;
      const schema = responses[status]?.content?.[type]?.schema;
      const ajv = new Ajv2020({ strict: false, validateFormats: false });
      validate = schema === undefined ? null : ajv.compile({ ...document, ...schema });
      this.#known.set(key, validate);
    }
    if (validate === null) return `${template} says nothing of ${status} as ${type}`;
    return validate(body) ? undefined : validate.errors!.map((e) => `${e.instancePath} ${e.message}`).join("; ");
  }
}

/** More than any answer over the small stream has. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;

class HttpJudge implements Judge {
  readonly #app;
  readonly #schemas = new Schemas();
  readonly #lines: string[] = [];

  constructor(readonly filled: FuzzDatabase) {
    this.#app = createApp({
      database: filled.database,
      clock: new TestClock(NOW),
      log: createLog({ level: "warn", format: "json", write: (line) => this.#lines.push(line), now: () => NOW }),
      metrics: new Registry(),
      version: "1.2.3",
      snapshots: () => [snapshot()],
      geo: () => null,
      settings: { ...settings, rateLimit: { perSecond: 1e9, burst: 1e9 } },
      settingsView: [],
    });
  }

  async check(given: Case): Promise<Verdict> {
    const target = textOf(given);
    if (!/^\/[\x21-\x7e]*$/.test(target)) return sound("no request");
    this.#lines.length = 0;
    const headers: Record<string, string> = given.variant === "" ? {} : { accept: given.variant };
    const response = await this.#app.request(target, { headers });
    const { status } = response, outcome = String(status);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length > BODY_BYTES_MAX) return faulty(outcome, `${bytes.length} bytes of answer`);
    if (status >= 500) {
      // The log holds the cause; the answer only says that there is one.
      const told = this.#lines.map((line) => (JSON.parse(line) as { message: string }).message).join("; ");
      return faulty(outcome, `${status} for ${target.slice(0, 300)}: ${told || new TextDecoder().decode(bytes)}`);
    }
    const type = response.headers.get("content-type") ?? "", path = target.split("?")[0]!;
    // Pages answer people, in words and in HTML.
    const isPage = PAGES.some((page) => page.path === path);
    if (status >= 400 && !isPage && type !== "application/problem+json") {
      return faulty(outcome, `${type} with ${status}`);
    }
    if (type === "application/json" || type === "application/problem+json") {
      const body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as {
        code?: string;
        errors?: readonly unknown[];
      };
      // Methods, paths and lengths are refused before a route is known.
      if (status !== 414 && status !== 404) {
        const fault = this.#schemas.fault(path, status, type, body);
        if (fault !== undefined) return faulty(outcome, fault);
      }
      if (status === 400 && body.code === "bad_query" && (body.errors ?? []).length === 0) {
        return faulty(outcome, "a bad query without a field");
      }
    }
    return sound(outcome);
  }

  close(): Promise<void> {
    return this.filled.close();
  }
}

export const httpTarget: Target = {
  name: "http",
  holds:
    "no query on any route or page ends in an error of ours; refusals are problem documents that name the field; answers fit the document",
  generate,
  open: async () => new HttpJudge(await openFuzzDatabase()),
  shares: { 200: 0.2, 400: 0.2 },
  testCases: 600,
};
