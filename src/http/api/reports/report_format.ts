// Chooses the format of a report: by `format=`, else by the Accept header, else JSON. Pure.
import { parseAccept } from "hono/utils/accept";
import { HttpProblem } from "../../server/problem.ts";

/** Formats by their name in `format=`. */
export const FORMATS = {
  json: { type: "application/json", suffix: "json" },
  csv: { type: "text/csv; charset=utf-8", suffix: "csv" },
  ndjson: { type: "application/x-ndjson", suffix: "ndjson" },
  text: { type: "text/plain; charset=utf-8", suffix: "txt" },
} as const;

export type Format = keyof typeof FORMATS;
export const FORMAT_NAMES = Object.keys(FORMATS) as [Format, ...Format[]];

/** The best of our formats that the Accept header accepts; JSON without the header. @throws HttpProblem if it accepts none */
export function acceptedFormat(accept: string | undefined): Format {
  if (accept === undefined || accept.trim() === "") return "json";
  for (const { type, q } of parseAccept(accept.slice(0, 1_000)).sort((a, b) => b.q - a.q)) {
    if (q === 0) continue;
    if (type === "*/*" || type === "application/*") return "json";
    if (type === "text/*") return "text";
    const found = FORMAT_NAMES.find((name) => FORMATS[name].type.split(";")[0] === type.toLowerCase());
    if (found !== undefined) return found;
  }
  throw new HttpProblem("not_acceptable", "None of the formats in Accept is available.", {
    errors: [{ field: "Accept", message: "names no known format", allowed: FORMAT_NAMES.map((n) => FORMATS[n].type) }],
  });
}
