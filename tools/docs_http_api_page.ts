// docs/http_api.md: the OpenAPI document as a page to read. No I/O beyond making an application that is never served.
import { createApp } from "../src/http/server/app.ts";
import { APP_DEFAULTS } from "../src/http/server/deps.ts";
import { docsOf, type OperationDoc } from "../src/http/pages/docs/docs_view.ts";
import type { OpenApiDocument } from "../src/http/server/openapi.ts";
import { PROBLEMS } from "../src/http/server/problem.ts";
import { systemClock } from "../src/shared/clock.ts";
import { silentLog } from "../src/shared/log.ts";
import { Registry } from "../src/shared/metrics.ts";
import { durationMs } from "../src/shared/units.ts";
import { table } from "./docs_table.ts";

/** The document as `/openapi.json` serves it. */
export async function openApi(): Promise<OpenApiDocument> {
  const app = createApp({
    database: { query: () => Promise.reject(new Error("no database is asked for a document")) },
    clock: systemClock,
    log: silentLog,
    metrics: new Registry(),
    version: "docs",
    snapshots: () => [],
    geo: () => null,
    settings: {
      ...APP_DEFAULTS,
      access: { publicAccess: true },
      watermarkDelayMs: durationMs(60_000),
      idleTimeoutMs: durationMs(60_000),
    },
    settingsView: [],
  });
  return await (await app.request("/openapi.json")).json() as OpenApiDocument;
}

/** docs/http_api.md. */
export function renderHttpApiPage(document: OpenApiDocument): string {
  const lines = [
    "# HTTP API",
    "",
    "Which addresses are there, what do they take, what do they answer? Made by `deno task docs` from the schemas that check each",
    "request and answer; `/openapi.json` is the same for programs, `/docs` the same in a browser, `/` and `/pipeline` are the pages.",
    "",
    "- **Who may ask**: this machine. Others need `API_TOKEN` as `Authorization: Bearer …` or as the password of HTTP Basic, unless",
    "  `API_PUBLIC=true`. `/livez` and `/readyz` need no token. `API_ADMIN_TOKEN` is for what is marked so.",
    "- **A browser** is asked for the token once, on a page, and gets a cookie for 30 days; `/login` ends it. The cookie holds no",
    "  token and ends with the token that it came from.",
    '- **Embedding a chart**: `<img src="https://…/v1/charts/map.svg?token=…">` with the value of `API_CHART_TOKEN`, which reaches',
    "  `/v1/charts/` alone. Every reader of the page can see it.",
    "- **A share link**: `https://…/?share=…` with the value of `API_SHARE_TOKEN` opens the overview with its reports and charts, and",
    "  nothing else. Range and filters of the link are kept. Another value ends all links that were given out.",
    "- **Other web pages** may read `/v1/` from the origins of `API_CORS_ORIGINS`, by a token; cookies are not taken from there.",
    "- **Errors** are `application/problem+json` with a stable `code` (below), what is wrong in words, and a `request_id` that is also",
    "  in the log. Give your own with `X-Request-Id`. A browser that opens an address (`Accept: text/html`) gets a page.",
    "- **Limits**: `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds) come with every answer but those of probes;",
    "  with 429 comes `Retry-After`.",
    "- **Times** are RFC 3339 in UTC. Days are local days of the `tz` that you give, both ends inclusive.",
    "- **Numbers** say how sure they are: `final` can no longer change, `provisional` can, `unknown` has a gap.",
    "- **CSV, NDJSON and JSON are data**: hosts and referrers come as they were counted, control characters included. CSV guards cells",
    "  that a spreadsheet would run; `tidemark report` leaves control characters out where it prints to a terminal.",
    "- **JSON** has numbers as they were computed. **CSV** has shares with two decimals; with `bom=true` Excel reads it as UTF-8.",
    "- **Caching**: answers carry an `ETag` that changes with the data; ask with `If-None-Match`. It is weak: one for all encodings.",
    "- **Compression**: all text comes in Brotli or gzip where `Accept-Encoding` takes it, streamed CSV too; event streams never do.",
    "- **Paths** are the same with and without a slash at the end.",
  ];
  for (const { name, description, operations } of docsOf(document)) {
    lines.push("", `## ${name}`, "", description);
    for (const operation of operations) lines.push("", ...operationLines(operation));
  }
  lines.push(
    "",
    "## Problems",
    "",
    ...table(
      ["Code", "Status", "Meaning"],
      Object.entries(PROBLEMS).map(([code, { status, title }]) => [`\`${code}\``, String(status), title]),
    ),
  );
  return `${lines.join("\n")}\n`;
}

function operationLines(
  { method, path, summary, description, parameters, responses, call, body }: OperationDoc,
): string[] {
  const lines = [`### ${method} ${path}`, "", `${summary}.${description === "" ? "" : ` ${description}`}`];
  if (parameters.length > 0) {
    lines.push(
      "",
      ...table(
        ["Parameter", "Value", "Meaning"],
        parameters.map((p) => [`\`${p.name}\`${p.required ? " (required)" : ""}`, p.type, p.description]),
      ),
    );
  }
  const good = responses.filter(({ status }) => status.startsWith("2"));
  const types = good.map(({ types }) => types).filter((text) => text !== "").join(", ");
  lines.push(
    "",
    `\`\`\`http\n${method} ${call}${body === null ? "" : `\n\n${body}`}\n\`\`\``,
    "",
    types === "" ? "No body." : `Answers ${types}.`,
  );
  return lines;
}
