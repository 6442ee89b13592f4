// `deno task docs`: writes every page that is made from code. With `--check` it writes nothing and names what is out of date.
import { renderConfigurationPage, renderReadmeTable, renderStreamEnv } from "../src/cli/settings_pages.ts";
import { initSql } from "../src/commit/migrate.ts";

const ROOT = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

/** The text between `<!-- name -->` and `<!-- /name -->` of a page, replaced. */
export function splice(page: string, name: string, text: string): string {
  const begin = `<!-- ${name} -->\n`, end = `<!-- /${name} -->`;
  const from = page.indexOf(begin), to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`no section "${name}"`);
  return `${page.slice(0, from + begin.length)}\n${text}\n\n${page.slice(to)}`;
}

/** Path → the text that it should have. */
export async function generatedPages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ["stream.env", renderStreamEnv()],
    ["docs/configuration.md", renderConfigurationPage()],
    ["ddl/init.sql", (await initSql()).trimEnd() + "\n"],
    ["README.md", splice(await read("README.md"), "settings", renderReadmeTable())],
  ]);
}

/** Paths whose committed text differs from what the code says. */
export async function outdatedPages(): Promise<string[]> {
  const outdated: string[] = [];
  for (const [path, text] of await generatedPages()) if (await read(path) !== text) outdated.push(path);
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
