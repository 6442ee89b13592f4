// Replaces `tm.` in statements by the schema's name, and reports the statements so that they can be cancelled. No I/O.
import type postgres from "postgres";
import type { Sql } from "../../shared/sql.ts";

type Query = postgres.PendingQuery<postgres.Row[]>;
/** The driver's functions have overloads, which cannot be forwarded with their types. */
type Forwarded = (...args: unknown[]) => Query;

/** The name as a quoted identifier. */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The text with each `tm.` replaced by the quoted schema. */
const qualified = (text: string, schema: string): string =>
  text.replace(/(?<![\w."])tm\./g, () => `${quoteName(schema)}.`);

/** Qualifies the fixed parts of tagged statements. Each statement of the program is rewritten once. */
export class Qualifier {
  readonly #texts = new WeakMap<TemplateStringsArray, TemplateStringsArray>();

  constructor(readonly schema: string) {}

  /** @param note is called with each statement and fragment */
  tag(sql: Sql, note: (query: Query) => void): Sql {
    const noted = <T extends Query>(query: T): T => {
      note(query);
      return query;
    };
    const forward = sql as unknown as Forwarded, unsafe = sql.unsafe as Forwarded;
    const tag = (first: unknown, ...rest: unknown[]) =>
      isTemplate(first) ? noted(forward(this.#template(first), ...rest)) : forward(first, ...rest);
    return Object.assign(tag, sql, {
      unsafe: (text: string, ...rest: unknown[]) => noted(unsafe(qualified(text, this.schema), ...rest)),
    }) as unknown as Sql;
  }

  #template(strings: TemplateStringsArray): TemplateStringsArray {
    let known = this.#texts.get(strings);
    if (known === undefined) {
      known = Object.assign(strings.map((text) => qualified(text, this.schema)), { raw: strings.raw });
      this.#texts.set(strings, known);
    }
    return known;
  }
}

const isTemplate = (value: unknown): value is TemplateStringsArray =>
  Array.isArray(value) && "raw" in value && Array.isArray(value.raw);
