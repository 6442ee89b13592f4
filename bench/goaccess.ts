// A log of yours through GoAccess and through this program: hits by page, browser and system side by side, and why they differ. Starts processes.
// Usage: deno task bench goaccess FILE [--host www.example.com] [--rows 15]. FILE: a combined log that fits into memory.
// GoAccess runs with its configuration (static files), --log-format=COMBINED, --no-query-string and --tz=UTC; this program on an embedded
// database of its own. Its counts are also compared with a count of the lines by the rule of pages: unexplained must be 0.
import { pageValue } from "../src/breakdown/page.ts";
import { parseAccessLog } from "../src/event/access_log.ts";
import { PARTS, type Panel, panelOf, shares, sumOf } from "./goaccess_counts.ts";
import { numberFlag, textFlag, write } from "./support.ts";

const MAIN = new URL("../src/main.ts", import.meta.url).pathname;
const GOACCESS = ["--log-format=COMBINED", "--no-query-string", "--tz=UTC", "--no-progress", "--max-items=1000000"];
/** GoAccess is asked for each agent apart; beyond it the tables of browsers and systems are left out. */
const AGENTS_MAX = 3_000;
const REPORT_ROWS_MAX = "1000";

async function run(command: string, args: readonly string[], stdin?: string): Promise<string> {
  const child = new Deno.Command(command, { args: [...args], stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
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
  return JSON.parse(await Deno.readTextFile(path));
}

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

/** The lines that both can read. `panels`: of each path, as GoAccess has it. */
function linesOf(text: string, panels: ReadonlyMap<string, Panel>): Line[] {
  const lines: Line[] = [];
  for (const line of text.split("\n")) {
    const fields = parseAccessLog(line, "a.example");
    if (fields === undefined) continue;
    const { url, method, status, user_agent: agent = "" } = fields;
    const path = (url ?? "").replace(/\?.*$/, "");
    const page = pageValue({ url, method, status: status === undefined ? undefined : Number(status) }, (text) => text);
    lines.push({ path, page, agent, panel: panelOf(Number(status), path, panels) });
  }
  return lines;
}

/** Browser and system of an agent by GoAccess: it is given a log with one line. */
async function goClient(folder: string, agent: string): Promise<{ readonly browsers: string; readonly os: string }> {
  const log = `${folder}/one.log`, quoted = agent.replace(/["\\]/g, "\\$&");
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
    ["of them late, or in no known form", there.general.failed_requests!, text.trimEnd().split("\n").length - pages.total_count],
  ]);

  const panels = new Map<string, Panel>(itemsOf(there, "static_requests").map(({ data }) => [data, "static"]));
  const lines = linesOf(text, panels);
  write("Hits by what each of the two takes a line for\n");
  const cross = shares(lines, ({ page }) => page.startsWith("/") ? "page" : page, ({ panel }) => panel);
  table(["Tidemark \\ GoAccess", ...PARTS], [...cross].map(([page, by]) => [page, ...PARTS.map((part) => by.get(part) ?? 0)]));

  write(`The ${shown} pages with most hits\n`);
  const requests = sumOf(itemsOf(there, "requests").map(({ data, hits }) => [data, hits.count]));
  const redirected = sumOf(lines.filter(({ page }) => page === "(redirect)").map(({ path }) => [path, 1]));
  table(
    ["page", "GoAccess", "Tidemark", "redirects"],
    pages.rows.slice(0, shown).map(({ key, count }) => [key, requests.get(key) ?? 0, count, redirected.get(key) ?? 0]),
  );
  const same = pages.rows.filter(({ key, count }) => requests.get(key) === count);
  const expected = sumOf(lines.map(({ page }) => [page, 1]));
  const wrong = [...pages.rows, ...pages.reserved].filter(({ key, count }) => expected.get(key) !== count);
  const placed = sumOf(lines.filter(({ panel }) => panel === "requests").map(({ path }) => [path, 1]));
  const misplaced = [...placed].filter(([page, count]) => requests.get(page) !== count);
  table(["pages", "number"], [
    ["in this program's report", pages.rows.length],
    ["of them with the same hits in both", same.length],
    ["whose hits here are not the lines' (unexplained)", wrong.length],
    ["whose hits there are not the lines' (unexplained)", misplaced.length],
  ]);
  const spelt = lines.filter(({ panel, path, page }) => panel === "requests" && page.startsWith("/") && page !== path);
  write(`Requests that are written in another way than their page: ${spelt.length} hits of ${new Set(spelt.map(({ path }) => path)).size} spellings\n`);

  const agents = new Map<string, Awaited<ReturnType<typeof goClient>>>();
  const distinct = [...new Set(lines.map(({ agent }) => agent))];
  if (distinct.length > AGENTS_MAX) write(`More than ${AGENTS_MAX} agents: browsers and systems are left out.`);
  else {
    const { clientOf } = await import("../src/breakdown/client.ts");
    const { isBotAgent } = await import("../src/event/bots.ts");
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
      write(`GoAccess's own panel: ${itemsOf(there, name).map(({ data, hits }) => `${data} ${hits.count}`).join(", ")}`);
      write(`of which ${others.length} are not the sum of its answers to single agents\n`);
    }
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
