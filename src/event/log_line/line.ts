// Reads one line of a log by the stream's format, in the same way whatever lines came before it. No I/O.
import { allPaths, type FieldPaths, formatEventFields } from "../../shared/config/event_fields.ts";
import { type MappedFields, mappedFields } from "../mapped_fields.ts";
import type { DeadReason } from "../../shared/dead_reasons.ts";
import { jsonShape } from "../value_shape.ts";
import { readCommonLine } from "./common.ts";
import { innerLine } from "./envelope.ts";
import type { LineFields } from "./fields.ts";
import { AUTO_JSON, AUTO_LINES, type LogFormat, usualPaths } from "./formats.ts";
import { readByFormat } from "./read.ts";

/** What a line holds. A comment is a record without an event, as the header of a W3C log. */
export type LineRead =
  | { readonly kind: "fields"; readonly written: "json" | "columns"; readonly fields: MappedFields }
  | { readonly kind: "comment" }
  | { readonly kind: "dead"; readonly reason: DeadReason };

const DIRECTIVE = /^#(?:Version|Fields|Software|Date|Remark|Start-Date|End-Date):/;

/** Reads `text`, one line without its end. `fields` are the stream's EVENT_FIELDS, for lines that are JSON. */
export function readLine(text: string, format: LogFormat, fields: FieldPaths): LineRead {
  const line = innerLine(text.trim());
  if (line.startsWith("{")) return readJsonLine(line.replace(/,$/, ""), format, fields);
  if (line.startsWith("#") && DIRECTIVE.test(line)) return { kind: "comment" };
  const found = lineFields(line, format);
  return found === undefined
    ? { kind: "dead", reason: "bad_line" }
    : { kind: "fields", written: "columns", fields: found };
}

function lineFields(line: string, format: LogFormat): LineFields | undefined {
  switch (format.kind) {
    case "family":
      return readCommonLine(line);
    case "line":
      return readByFormat(line, format.format);
    case "json":
      return undefined;
    case "auto": {
      const known = AUTO_LINES.find(({ begins }) => begins.test(line));
      return (known === undefined ? undefined : readByFormat(line, known.format)) ?? readCommonLine(line);
    }
  }
}

function readJsonLine(line: string, format: LogFormat, fields: FieldPaths): LineRead {
  const parsed = parseJson(line);
  if (parsed === undefined) return { kind: "dead", reason: "bad_json" };
  const { text, value } = parsed;
  const own = formatEventFields(fields) !== "";
  const paths = own || format.kind !== "json" ? fields : format.fields;
  let found = mappedFields(text, value, allPaths(paths));
  if (found.event_time === undefined && !own && format.kind === "auto") {
    const known = AUTO_JSON.find(({ key }) => Object.hasOwn(value, key));
    if (known !== undefined) found = mappedFields(text, value, allPaths(known.fields));
    if (found.event_time === undefined) found = mappedFields(text, value, usualPaths(value));
  }
  return found.event_time === undefined
    ? { kind: "dead", reason: jsonShape(value)?.reason ?? "missing_event_time" }
    : { kind: "fields", written: "json", fields: found };
}

/** The object; nginx without `escape=json` writes `\x22` into its JSON, which no JSON parser takes. */
function parseJson(line: string): { readonly text: string; readonly value: Record<string, unknown> } | undefined {
  for (const text of [line, line.replace(/\\x([0-9A-Fa-f]{2})/g, "\\u00$1")]) {
    try {
      const value: unknown = JSON.parse(text);
      return typeof value === "object" && value !== null && !Array.isArray(value)
        ? { text, value: value as Record<string, unknown> }
        : undefined;
    } catch {
      // The next spelling, if any.
    }
  }
  return undefined;
}
