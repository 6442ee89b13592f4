// Markdown tables as `deno fmt` would leave them. No I/O.

/** A table whose columns are padded to their widest cell. */
export function table(head: readonly string[], body: readonly (readonly string[])[]): readonly string[] {
  const cells = [head, ...body].map((row) => row.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => [...row[column]!].length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(cells[0]!), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...cells.slice(1).map(line)];
}
