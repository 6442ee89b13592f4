// A log of yours through GoAccess and through this program: hits by page, browser and system side by side, and why they differ. Starts processes.
// Usage: deno task bench goaccess FILE [--host www.example.com] [--rows 15]. FILE: a combined log that fits into memory.
// GoAccess runs with its configuration (static files), --log-format=COMBINED, --no-query-string and --tz=UTC; this program on an embedded
// database of its own. Its counts are also compared with a count of the lines by the rule of pages: unexplained must be 0.
import { clientOf } from "../src/breakdown/client.ts";
import { DIMENSION_BITS } from "../src/breakdown/dimensions.ts";
import { pageValue } from "../src/breakdown/page.ts";
import { isBotAgent } from "../src/event/bots.ts";
import { readEvent } from "../src/event/read_event.ts";
import { RULES_2 } from "../src/event/stream_rules.ts";
import { goPath, type Panel, panelOf, PARTS, shares, sumOf } from "./goaccess_counts.ts";
import { numberFlag, textFlag, write } from "./support.ts";

const MAIN = new URL("../src/main.ts", import.meta.url).pathname;
const GOACCESS = ["--log-format=COMBINED", "--no-query-string", "--tz=UTC", "--no-progress", "--max-items=1000000"];
/** GoAccess is asked for each agent apart; beyond it the tables of browsers and systems are left out. */
const AGENTS_MAX = 3_000;
const REPORT_ROWS_MAX = "1000";

async function run(command: string, args: readonly string[], stdin?: string): Promise<string> {
  const child = new Deno.Command(command, { args: [...args], stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  if (stdin !== undefined) await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`${command} failed:\n${new TextDecoder().decode(stderr).slice(-2000)}`);
  return new TextDecoder().decode(stdout);
}

interface GoItem {
  readonly data: string;
  readonly hits: { readonly count: number };
}
type GoReport = Readonly<Record<string, { readonly data?: readonly GoItem[] }>> & {
  readonly general: Readonly<Record<string, number>>;
};

/** GoAccess's report of a log, or of one line of it. */
async function goaccess(folder: string, log: string): Promise<GoReport> {
  const path = `${folder}/report.json`;
  await run("goaccess", [log, ...GOACCESS, "--output", path]);
  // Bytes of a log that are not UTF-8 are in its report as they are.
  return JSON.parse(new TextDecoder().decode(await Deno.readFile(path)));
}

/** The page of a path as GoAccess shows it: decoded. */
const pageOf = (path: string) => pageValue({ url: encodeURI(path) }, (text) => text);

const itemsOf = (report: GoReport, panel: string) => report[panel]?.data ?? [];

interface Ranked {
  readonly total_count: number;
  readonly rows: readonly { readonly key: string; readonly count: number }[];
  readonly reserved: readonly { readonly key: string; readonly count: number }[];
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const cells = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join(" | ")} |`;
  write(line(cells[0]!));
  write(`| ${widths.map((width, i) => "-".repeat(width - (i === 0 ? 0 : 1)) + (i === 0 ? "" : ":")).join(" | ")} |`);
  for (const row of cells.slice(1)) write(line(row));
  write("");
}

/** What both say of one line. */
interface Line {
  readonly panel: Panel;
  readonly path: string;
  /** A page, or why none was viewed. */
  readonly page: string;
  readonly agent: string;
}

/** The lines that both can read. `statics`: paths that GoAccess takes for static files. */
function linesOf(text: string, statics: ReadonlySet<string>): Line[] {
  const lines: Line[] = [];
  for (const line of text.split("\n")) {
    const event = readEvent(new TextEncoder().encode(line), {
      stream: RULES_2,
      format: "lines",
      defaultHost: "a.example",
      referrerGranularity: "raw",
      keyBytesMax: 1024,
      trustedProxyHops: 0,
      breakdowns: DIMENSION_BITS.page | DIMENSION_BITS.client,
    });
    const found = REQUEST.exec(line);
    if (event.kind !== "event" || event.breakdown === undefined || found === null) continue;
    const [, target, status] = found, path = goPath(target!);
    lines.push({ path, panel: panelOf(Number(status), path, statics), ...event.breakdown });
  }
  return lines;
}

/** Target and status of a line in the combined format. */
const REQUEST = /\] "\S+ (\S+)[^"]*" (\d{3}) /;

/** Browser and system of an agent by GoAccess: it is given a log with one line. */
async function goClient(folder: string, agent: string): Promise<{ readonly browsers: string; readonly os: string }> {
  const log = `${folder}/one.log`, quoted = agent === "" ? "-" : agent.replace(/["\\]/g, "\\$&");
  await Deno.writeTextFile(log, `192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "${quoted}"\n`);
  const report = await goaccess(folder, log);
  return { browsers: itemsOf(report, "browsers")[0]?.data ?? "–", os: itemsOf(report, "os")[0]?.data ?? "–" };
}

const [path] = Deno.args;
if (path === undefined || path.startsWith("--")) {
  write("Usage: deno task bench goaccess FILE [--host www.example.com] [--rows 15]");
  Deno.exit(2);
}
const host = textFlag("host") ?? "www.example.com", shown = numberFlag("rows", 15);
const folder = await Deno.makeTempDir({ prefix: "tidemark_bench_goaccess_" });
try {
  const text = await Deno.readTextFile(path);
  const there = await goaccess(folder, path);
  const program = (...args: string[]) =>
    run(Deno.execPath(), ["run", "-A", "--no-check", "--quiet", MAIN, ...args, "--data-dir", `${folder}/data`]);
  const source = ["--source", "file", "--file-path", path, "--host", host, "--breakdown-values-max", "100000"];
  await program("run", "--once", ...source, "--log-level", "warn");
  const days = itemsOf(there, "visitors").map(({ data }) => data).sort();
  const day = (digits: string) => `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`;
  const range = ["--from", day(days[0]!), "--to", day(days.at(-1)!), "--late", "include"];
  const ranked = async (by: string): Promise<Ranked> =>
    JSON.parse(await program("report", "top", "--by", by, ...range, "--limit", REPORT_ROWS_MAX, "--format", "json"));

  const version = (await run("goaccess", ["--version"])).split("\n")[0]!;
  write(`${version.replace(/\.$/, "")}, goaccess FILE ${GOACCESS.join(" ")}\n`);
  const pages = await ranked("page");
  table(["lines", "GoAccess", "Tidemark"], [
    ["read", there.general.valid_requests!, pages.total_count],
    [
      "of them late, or in no known form",
      there.general.failed_requests!,
      text.trimEnd().split("\n").length - pages.total_count,
    ],
  ]);

  const lines = linesOf(text, new Set(itemsOf(there, "static_requests").map(({ data }) => data)));
  write("Hits by what each of the two takes a line for\n");
  const cross = shares(lines, ({ page }) => page.startsWith("/") ? "page" : page, ({ panel }) => panel);
  table(
    ["Tidemark \\ GoAccess", ...PARTS],
    [...cross].map(([kind, by]) => [kind, ...PARTS.map((part) => by.get(part) ?? 0)]),
  );

  write(`The ${shown} pages with most hits, and the hits of the same paths that viewed no page here\n`);
  const requests = sumOf(itemsOf(there, "requests").map(({ data, hits }) => [data, hits.count]));
  const spelt = sumOf([...requests].map(([path, hits]) => [pageOf(path), hits]));
  const asked = lines.filter(({ panel }) => panel === "requests");
  const noView = shares(
    asked.filter(({ page }) => !page.startsWith("/")),
    ({ path }) => pageOf(path),
    ({ page }) => page,
  );
  const lack = (page: string, reason: string) => noView.get(page)?.get(reason) ?? 0;
  const reasons = ["(redirect)", "(not GET)", "(error)"];
  const rowOf = ({ key, count }: Ranked["rows"][number]) => [
    key,
    requests.get(key) ?? 0,
    spelt.get(key) ?? 0,
    count,
    ...reasons.map((reason) => lack(key, reason)),
  ];
  table(["page", "GoAccess", "all spellings", "Tidemark", ...reasons], pages.rows.slice(0, shown).map(rowOf));
  const same = pages.rows.filter(({ key, count }) => requests.get(key) === count);
  const sameSpelt = pages.rows.filter(({ key, count }) => spelt.get(key) === count);
  const sums = pages.rows.filter(({ key, count }) =>
    spelt.get(key) === count + reasons.reduce((sum, reason) => sum + lack(key, reason), 0)
  );
  const expected = sumOf(lines.map(({ page }) => [page, 1]));
  const placed = sumOf(asked.map(({ path }) => [path, 1]));
  table(["pages", "number"], [
    ["in this program's report", pages.rows.length],
    ["with the same hits in both", same.length],
    ["with the same hits, GoAccess's spellings of a page added up", sameSpelt.length],
    ["with the same hits, and the three columns of no view added here", sums.length],
    ["unexplained: the rest of these", pages.rows.length - sums.length],
    [
      "unexplained: hits here are not those of the lines",
      [...pages.rows, ...pages.reserved].filter(({ key, count }) => expected.get(key) !== count).length,
    ],
    [
      "unexplained: hits there are not those of the lines",
      [...placed].filter(([path, n]) => requests.get(path) !== n).length,
    ],
  ]);

  const agents = new Map<string, Awaited<ReturnType<typeof goClient>>>();
  const distinct = [...new Set(lines.map(({ agent }) => agent))];
  if (distinct.length > AGENTS_MAX) write(`More than ${AGENTS_MAX} agents: browsers and systems are left out.`);
  else {
    for (const agent of distinct) agents.set(agent, await goClient(folder, agent));
    for (const [by, name] of [["browser", "browsers"], ["os", "os"]] as const) {
      const here = await ranked(by);
      const found = shares(
        lines,
        ({ agent }) => clientOf(agent, isBotAgent(agent))[by],
        ({ agent }) => agents.get(agent)![name],
      );
      const counted = sumOf([...found].flatMap(([key, row]) => [...row.values()].map((hits) => [key, hits] as const)));
      const differ = [...here.rows, ...here.reserved].filter(({ key, count }) => counted.get(key) !== count);
      write(`Hits by ${by}: here, and there of the same lines (unexplained: ${differ.length})\n`);
      table(
        [by, "hits", "GoAccess"],
        [...found].sort(([a], [b]) => counted.get(b)! - counted.get(a)!).map(([key, row]) => [
          key,
          counted.get(key)!,
          [...row].sort(([, a], [, b]) => b - a).map(([other, hits]) => `${other} ${hits}`).join(", "),
        ]),
      );
      const totals = sumOf([...found.values()].flatMap((row) => [...row]));
      const others = itemsOf(there, name).filter(({ data, hits }) => totals.get(data) !== hits.count);
      write(
        `GoAccess's own panel: ${itemsOf(there, name).map(({ data, hits }) => `${data} ${hits.count}`).join(", ")}`,
      );
      write(`of which ${others.length} are not the sum of its answers to single agents\n`);
    }
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
