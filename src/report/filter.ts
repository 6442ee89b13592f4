// Which hits a report counts by host, referrer, source, channel and place: the grammar of `filter=`, and the conditions that the database takes. Pure.
import { CHANNELS, type Origin, OTHER_SOURCE } from "./referrer_channel.ts";
import { countryCodeOf } from "./country_names.ts";

export const FILTER_FIELDS = ["host", "referrer", "source", "channel", "country", "region", "city"] as const;
export type FilterField = typeof FILTER_FIELDS[number];

/** Operators, and whether they exclude. Prefixes and parts are compared without regard to case. */
export const FILTER_OPS = {
  is: { op: "is", not: false, words: "is" },
  is_not: { op: "is", not: true, words: "is not" },
  starts: { op: "starts", not: false, words: "starts with" },
  not_starts: { op: "starts", not: true, words: "does not start with" },
  contains: { op: "contains", not: false, words: "contains" },
  not_contains: { op: "contains", not: true, words: "does not contain" },
} as const;
export type FilterOp = keyof typeof FILTER_OPS;
export const FILTER_OP_NAMES = Object.keys(FILTER_OPS) as [FilterOp, ...FilterOp[]];

/** A condition. An empty value means "none": a direct hit, a place without region or city. */
export interface Condition {
  readonly field: FilterField;
  readonly op: FilterOp;
  readonly value: string;
}

/** The filters of a request; the first six are short for `is`. */
export type Filtered = Readonly<Partial<Record<FilterField | "filter", string | undefined>>>;

/** Most conditions of a request. */
const CONDITIONS_MAX = 30;

/** `host:is:www.example.com`; `;` and `%` of a value are written `%3B` and `%25`. */
export function writeFilter(conditions: readonly Condition[]): string {
  return conditions.map(({ field, op, value }) => `${field}:${op}:${value.replace(/[%;]/g, encodeURIComponent)}`)
    .join(";");
}

/** The conditions of `filter=`, or why it is wrong. */
export function parseFilter(text: string): readonly Condition[] | string {
  if (text === "") return [];
  const parts = text.split(";");
  if (parts.length > CONDITIONS_MAX) return `must hold at most ${CONDITIONS_MAX} conditions`;
  const conditions: Condition[] = [];
  for (const part of parts) {
    const [, field, op, written] = part.match(/^\s*([a-z]+):([a-z_]+):([^]*)$/) ?? [];
    if (!isOneOf(FILTER_FIELDS, field) || !isOneOf(FILTER_OP_NAMES, op)) {
      return `must hold conditions FIELD:OP:VALUE separated by ";"; FIELD is one of ${
        FILTER_FIELDS.join(", ")
      }; OP is one of ${FILTER_OP_NAMES.join(", ")}`;
    }
    const value = written!.replace(/%(3b|25)/gi, decodeURIComponent);
    if (field === "channel" && (FILTER_OPS[op].op !== "is" || !isOneOf(CHANNELS, value))) {
      return `must compare channel by is or is_not with one of ${CHANNELS.join(", ")}`;
    }
    if (field === "source" && FILTER_OPS[op].op !== "is") return "must compare source by is or is_not";
    conditions.push({
      field,
      op,
      value: field === "country" && FILTER_OPS[op].op === "is" ? countryCodeOf(value) : value,
    });
  }
  return conditions;
}

function isOneOf<T extends string>(list: readonly T[], value: string | undefined): value is T {
  return list.includes(value as T);
}

/** All conditions of a checked query, each once. */
export function conditionsOf(query: Filtered): Condition[] {
  const short = FILTER_FIELDS.flatMap((field): Condition[] => {
    const value = query[field];
    return value === undefined ? [] : [{ field, op: "is", value: field === "country" ? countryCodeOf(value) : value }];
  });
  const long = parseFilter(query.filter ?? "");
  const all = [...short, ...(typeof long === "string" ? [] : long)];
  return all.filter((one, i) => all.findIndex((other) => isSame(one, other)) === i);
}

const isSame = (a: Condition, b: Condition): boolean => a.field === b.field && a.op === b.op && a.value === b.value;

/** A condition for the database: any of the values matches. */
export interface DatabaseCondition {
  readonly field: Exclude<FilterField, keyof Origin>;
  readonly op: "is" | "starts" | "contains";
  readonly values: readonly string[];
  readonly not: boolean;
}

/** Known referrers with their origins. */
type Origins = readonly (readonly [referrer: string, origin: Origin])[];

/** Whether the database needs to know the origins of referrers. */
export const needsOrigins = (conditions: readonly Condition[]): boolean =>
  conditions.some(({ field }) => field === "channel" || field === "source");

/**
 * The conditions for the database. Conditions with the same field and operator are alternatives; the others must all be true. A channel or
 * source becomes its referrers; `unclassified` and `(other)` are the referrers of no other one. null if everything counts.
 */
export function databaseFilter(
  conditions: readonly Condition[],
  origins: Origins = [],
): readonly DatabaseCondition[] | null {
  const groups = Map.groupBy(conditions, ({ field, op }) => `${field} ${op}`);
  const filter = [...groups.values()].map((group): DatabaseCondition => {
    const { field, op: name } = group[0]!;
    const { op, not } = FILTER_OPS[name];
    const values = group.map(({ value }) => value);
    if (field !== "channel" && field !== "source") return { field, op, values, not };
    const rest = field === "channel" ? "unclassified" : OTHER_SOURCE;
    const wanted = new Set(values);
    // The complement also has the referrers that no dictionary knows.
    const others = wanted.has(rest);
    const listed = origins.filter(([, origin]) => origin[field] !== rest && wanted.has(origin[field]) !== others);
    return { field: "referrer", op, values: listed.map(([referrer]) => referrer), not: not !== others };
  });
  return filter.length === 0 ? null : filter;
}

/**
 * Those of `hosts` that satisfy the conditions on the host, compared as the database does: `is` by the stored text, the others without regard to
 * case.
 */
export function matchingHosts(conditions: readonly Condition[], hosts: readonly string[]): string[] {
  const groups = [...Map.groupBy(conditions.filter(({ field }) => field === "host"), ({ op }) => op).values()];
  return hosts.filter((host) =>
    groups.every((group) => {
      const { op, not } = FILTER_OPS[group[0]!.op];
      return group.some(({ value }) => matches(op, host, value)) !== not;
    })
  );
}

function matches(op: DatabaseCondition["op"], host: string, value: string): boolean {
  if (op === "is") return host === value;
  const own = host.toLowerCase(), wanted = value.toLowerCase();
  return op === "starts" ? own.startsWith(wanted) : own.includes(wanted);
}

/** Whether a filter needs rows that retention drops. */
export function needsRows(conditions: readonly Condition[]): boolean {
  return conditions.some(({ field }) => !["country", "region", "city"].includes(field));
}
