// Writes what runs have shown into docs/reliability.md, between markers: rows of the fault matrix, and sections. Shell.
import { REPOSITORY } from "../support/process.ts";
import type { Entry, Outcome } from "./entry.ts";

const PAGE = new URL("docs/reliability.md", REPOSITORY);
const BEGIN = "<!-- matrix: written by `deno task faults --record` -->";
const END = "<!-- end of matrix -->";
const HEAD = "| entry | what is done | outcome | events | commits | kills | fenced | seconds |";
const RULE = "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |";

/** Replaces what is between two markers. @throws Error where the page lacks them */
export async function replaceSection(begin: string, end: string, text: string): Promise<void> {
  const page = await Deno.readTextFile(PAGE);
  const from = page.indexOf(begin), to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${PAGE.pathname} lacks its markers ${begin} and ${end}`);
  await Deno.writeTextFile(PAGE, `${page.slice(0, from)}${begin}\n\n${text}\n\n${page.slice(to)}`);
}

/** Replaces or adds the row of `entry`; rows stay sorted by name. */
export async function recordOutcome(entry: Entry, outcome: Outcome, seconds: number): Promise<void> {
  const page = await Deno.readTextFile(PAGE);
  const begin = page.indexOf(BEGIN), end = page.indexOf(END);
  const rows = new Map(
    page.slice(begin, end).split("\n").filter((line) => line.startsWith("| `")).map((
      line,
    ) => [line.split("`")[1]!, line]),
  );
  const result = outcome.note ? `${outcome.result}; ${outcome.note}` : outcome.result;
  const cells = [
    `\`${entry.name}\``,
    entry.done,
    result,
    outcome.events,
    outcome.commits,
    outcome.kills,
    outcome.fenced,
    seconds,
  ];
  rows.set(entry.name, `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |`);
  const sorted = [...rows].sort(([a], [b]) => a < b ? -1 : 1).map(([, row]) => row);
  const table = [HEAD, RULE, ...sorted].join("\n");
  await replaceSection(BEGIN, END, table);
}
