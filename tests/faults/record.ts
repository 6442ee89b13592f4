// Writes one outcome into the table of docs/reliability.md, between its markers. Shell.
import { REPOSITORY } from "../support/process.ts";
import type { Entry, Outcome } from "./entry.ts";

const PAGE = new URL("docs/reliability.md", REPOSITORY);
const BEGIN = "<!-- matrix: written by `deno task faults --record` -->";
const END = "<!-- end of matrix -->";
const HEAD = "| entry | what is done | outcome | events | commits | kills | fenced | seconds |";
const RULE = "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |";

/** Replaces or adds the row of `entry`; rows stay sorted by name. */
export async function recordOutcome(entry: Entry, outcome: Outcome, seconds: number): Promise<void> {
  const page = await Deno.readTextFile(PAGE);
  const begin = page.indexOf(BEGIN), end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${PAGE.pathname} lacks its markers ${BEGIN} and ${END}`);
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
  await Deno.writeTextFile(PAGE, `${page.slice(0, begin)}${BEGIN}\n\n${table}\n\n${page.slice(end)}`);
}
