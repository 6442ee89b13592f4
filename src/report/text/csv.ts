// Rows as CSV (RFC 4180) that a spreadsheet shows but never runs, and as NDJSON. Pure.
// No library: cells that a spreadsheet would run are guarded.

import { printableJson } from "../../shared/printable.ts";

/** Value of a cell; null is an empty cell (CSV) or null (NDJSON). */
type Cell = string | number | boolean | null;

/** One column of a table of `T`. */
export interface Column<T> {
  readonly name: string;
  readonly value: (row: T) => Cell;
  /** Decimals of its numbers in CSV; NDJSON has all. */
  readonly digits?: number;
  /** Most decimals in CSV, for numbers that are mostly whole. */
  readonly digitsMax?: number;
}

// OWASP "CSV Injection": a cell that begins so would be a formula. Full-width forms are folded to these by some spreadsheets.
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/** A cell. Text that a spreadsheet would take for a formula begins with an apostrophe; numbers stay unchanged. */
export function csvCell(value: Cell): string {
  if (value === null) return "";
  if (typeof value !== "string") return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The header line, with its line end. */
export function csvHeader<T>(columns: readonly Column<T>[]): string {
  return columns.map(({ name }) => csvCell(name)).join(",") + "\r\n";
}

/** One line, with its line end. */
export function csvLine<T>(columns: readonly Column<T>[], row: T): string {
  return columns.map(({ value, digits, digitsMax }) => {
    const cell = value(row);
    if (typeof cell !== "number") return csvCell(cell);
    if (digits !== undefined) return cell.toFixed(digits);
    return String(digitsMax === undefined ? cell : Number(cell.toFixed(digitsMax)));
  }).join(",") + "\r\n";
}

/** One object as a line, with its line end. */
export function ndjsonLine<T>(columns: readonly Column<T>[], row: T): string {
  return printableJson(JSON.stringify(Object.fromEntries(columns.map(({ name, value }) => [name, value(row)])))) + "\n";
}

export type TableFormat = "csv" | "ndjson";

/** A whole table, line by line. */
export function* tableLines<T>(
  format: TableFormat,
  columns: readonly Column<T>[],
  rows: Iterable<T>,
): Generator<string> {
  if (format === "csv") yield csvHeader(columns);
  for (const row of rows) yield format === "csv" ? csvLine(columns, row) : ndjsonLine(columns, row);
}
