// `deno task docs`: writes every page that is made from code. With `--check` it writes nothing and names what is out of date.
import { renderStreamEnv } from "../src/cli/stream_env.ts";
import { initSql } from "../src/store/migrate.ts";
import { KNOWN_SOURCES } from "../src/report/referrer_channel.ts";
import { renderComposeSettings, renderConfigurationPage, renderReadmeTable } from "./docs_configuration_page.ts";
import { table } from "./docs_table.ts";
import { openApi, renderHttpApiPage } from "./docs_http_api_page.ts";
import { renderAlertsTable, renderMetricsTable } from "./docs_monitoring_page.ts";

const ROOT = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

/** The text between `<!-- name -->` and `<!-- /name -->` of a page, replaced. */
export function splice(page: string, name: string, text: string): string {
  return spliced(page, `<!-- ${name} -->\n`, `<!-- /${name} -->`, `\n${text}\n\n`);
}

function spliced(page: string, begin: string, end: string, text: string): string {
  const from = page.indexOf(begin), to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`no section "${begin.trim()}"`);
  return `${page.slice(0, from + begin.length)}${text}${page.slice(to)}`;
}

/** Path → the text that it should have. */
export async function generatedPages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ["stream.env", renderStreamEnv()],
    ["docker-compose.yml", await compose()],
    ["docs/configuration.md", renderConfigurationPage()],
    ["ddl/init.sql", (await initSql()).trimEnd() + "\n"],
    ["docs/http_api.md", await formatted(renderHttpApiPage(await openApi()))],
    ["docs/monitoring.md", await monitoring()],
    ["docs/reports.md", await formatted(splice(await read("docs/reports.md"), "sources", sourcesTable()))],
    ["README.md", splice(await read("README.md"), "settings", renderReadmeTable())],
  ]);
}

/** The sites that are told apart by name. */
function sourcesTable(): string {
  const rows = KNOWN_SOURCES.map(({ source, channel, names, domains }) => [
    source,
    channel,
    names.join(", "),
    domains.join(", "),
  ]);
  return table(["Source", "Channel", "Names", "Domains"], rows).join("\n");
}

/** The page with its prose wrapped as `deno fmt` wraps it. */
async function formatted(page: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(page));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("deno fmt failed");
  return new TextDecoder().decode(stdout);
}

async function compose(): Promise<string> {
  const file = await read("docker-compose.yml");
  return spliced(file, "# Settings that are handed on:\n", "# End of settings\n", `${renderComposeSettings()}\n`);
}

async function monitoring(): Promise<string> {
  const rules = await read("deploy/prometheus/rules/tidemark.yml");
  const page = splice(await read("docs/monitoring.md"), "alerts", renderAlertsTable(rules));
  return splice(page, "metrics", renderMetricsTable());
}

/** Paths whose committed text differs from what the code says. */
export async function outdatedPages(): Promise<string[]> {
  const outdated: string[] = [];
  for (const [path, text] of await generatedPages()) {
    if (await read(path).catch(() => "") !== text) outdated.push(path);
  }
  return outdated;
}

if (import.meta.main) {
  const outdated = await outdatedPages();
  const pages = await generatedPages();
  const check = Deno.args.includes("--check");
  for (const path of outdated) {
    if (!check) await Deno.writeTextFile(new URL(path, ROOT), pages.get(path)!);
    await Deno.stdout.write(new TextEncoder().encode(`${check ? "out of date" : "written"} ${path}\n`));
  }
  if (check && outdated.length > 0) Deno.exit(1);
}
