// Takes the fields of an event from a parsed JSON value, by the paths of EVENT_FIELDS: the slow, obvious twin of mapped_walk.ts. No I/O.
import type { EventFieldName, FieldPath, FieldPaths } from "../shared/config/event_fields.ts";

/** Texts as sent; `status` may have been a number. A field of another type counts as missing. `event_time` may also be a number, with its digits as sent. */
export type MappedFields =
  & Readonly<Partial<Record<Exclude<EventFieldName, "event_time">, string>>>
  & { readonly event_time?: string | NumberSource | "malformed" };

/** A JSON number as text. */
export class NumberSource {
  constructor(readonly source: string) {}
}

/**
 * The fields of the JSON text `text`, whose value is `value`. `event_time` is absent if it is missing, `null`, empty or `-`, and `malformed`
 * if it is neither text nor number.
 *
 * @param paths of all fields: a field without a path is missing
 */
export function mappedFields(text: string, value: unknown, paths: FieldPaths): MappedFields {
  const fields: Partial<Record<EventFieldName, string>> = {};
  for (const [name, path] of Object.entries(paths) as [EventFieldName, FieldPath][]) {
    const found = valueAt(value, path);
    if (typeof found === "string") fields[name] = found;
    else if (name === "status" && typeof found === "number") fields.status = String(found);
  }
  const { event_time: written, ...others } = fields;
  if (written !== undefined) return written === "" || written === "-" ? others : { ...others, event_time: written };
  const time = paths.event_time === undefined ? undefined : valueAt(value, paths.event_time);
  if (time === undefined || time === null) return others;
  return {
    ...others,
    event_time: typeof time === "number" ? numberSource(text, time, paths.event_time!) : "malformed",
  };
}

/** The value at `path`; `undefined` without one. Of a repeated key the last one counts, as in `JSON.parse`. */
function valueAt(value: unknown, path: FieldPath): unknown {
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    if (typeof step === "number" ? !Array.isArray(value) : Array.isArray(value) || !Object.hasOwn(value, step)) {
      return undefined;
    }
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** Nanoseconds since 1970 have more digits than a double holds. Such a number is read again, as text. */
function numberSource(text: string, value: number, path: FieldPath): NumberSource {
  if (Number.isSafeInteger(value)) return new NumberSource(String(value));
  const keepNumbers = (_key: string, inner: unknown, context: { readonly source?: string }) =>
    typeof inner === "number" ? new NumberSource(context.source ?? String(inner)) : inner;
  try {
    const again = valueAt(JSON.parse(text, keepNumbers as (key: string, value: unknown) => unknown), path);
    if (again instanceof NumberSource) return again;
  } catch {
    // Nested too deeply: uses the double.
  }
  return new NumberSource(String(value));
}
