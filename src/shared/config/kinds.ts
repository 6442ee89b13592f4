// The grammars of values of settings and flags: text to typed value, or a sentence that says what is wrong. No I/O.
import { z } from "zod";
import { type DurationMs, durationMs, type EpochMs, epochMs } from "../units.ts";

/** One kind of value. */
export interface Kind<T> {
  readonly schema: z.ZodType<T, string>;
  /** Completes "must be …" in problems and documentation. */
  readonly grammar: string;
  /** Shown by `--help` after the flag; empty for booleans, whose flag has no value. */
  readonly placeholder: string;
  /** A repeated flag adds to the value; otherwise the last one counts. */
  readonly repeats?: boolean;
}

/** The type of a kind's values. */
export type KindValue<K> = K extends Kind<infer T> ? T : never;

/** The value, or the problem ("must be …"; without the text itself, which may be a secret). */
type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Reads `text` as a value of `kind`. Never throws. */
export function parseValue<T>(kind: Kind<T>, text: string): Parsed<T> {
  const result = kind.schema.safeParse(text);
  if (result.success) return { ok: true, value: result.data };
  const own = result.error.issues.find((issue) => issue.code === "custom");
  return { ok: false, problem: own?.message ?? `must be ${kind.grammar}` };
}

export function kindOf<T>(placeholder: string, grammar: string, schema: z.ZodType<T, string>): Kind<T> {
  return { placeholder, grammar, schema };
}

/** A kind from a function, which returns the value, or the problem in words, or `undefined` for the usual problem. */
export function kindBy<T>(
  placeholder: string,
  grammar: string,
  read: (text: string) => { readonly value: T } | string | undefined,
): Kind<T> {
  const schema = z.string().transform((written, context): T => {
    const result = read(written);
    if (typeof result === "object") return result.value;
    context.addIssue({ code: "custom", message: result ?? `must be ${grammar}` });
    return z.NEVER;
  });
  return { placeholder, grammar, schema };
}

/** Text of 1 to `max` characters, none of them a control character. */
export const text = (placeholder = "<text>", max = 4096): Kind<string> =>
  kindOf(placeholder, `1 to ${max} printable characters`, z.string().min(1).max(max).regex(/^\P{Cc}*$/u));

/** Text with line breaks, such as a certificate. */
export const pem: Kind<string> = kindOf(
  "<pem>",
  "PEM text (-----BEGIN …)",
  z.string().max(1_000_000).regex(/^\s*-----BEGIN [A-Z0-9 ]+-----[\s\S]+-----END [A-Z0-9 ]+-----\s*$/),
);

/** Text that matches `expression`, which `grammar` describes in words. */
export const pattern = (placeholder: string, grammar: string, expression: RegExp): Kind<string> =>
  kindOf(placeholder, grammar, z.string().regex(expression));

/** An integer in [min, max], both inclusive. */
export const integer = (min: number, max: number, placeholder = "<n>"): Kind<number> =>
  kindOf(
    placeholder,
    `an integer from ${min} to ${max}`,
    z.string().regex(/^-?\d{1,16}$/).transform(Number).pipe(z.int().min(min).max(max)),
  );

/** A decimal number in [min, max], both inclusive. */
export const decimal = (min: number, max: number): Kind<number> =>
  kindOf(
    "<n>",
    `a number from ${min} to ${max}`,
    z.string().regex(/^\d{1,12}(\.\d{1,9})?$/).transform(Number).pipe(z.number().min(min).max(max)),
  );

export const boolean: Kind<boolean> = kindOf(
  "",
  "true or false",
  z.stringbool({ truthy: ["true", "1", "yes", "on"], falsy: ["false", "0", "no", "off"], case: "insensitive" }),
);

/** One of a few words. */
export const oneOf = <const W extends readonly [string, ...string[]]>(...words: W): Kind<W[number]> =>
  kindBy<W[number]>(words.join("|"), `one of ${words.join(", ")}`, (written) => {
    const word = words.find((one) => one === written);
    return word === undefined ? undefined : { value: word };
  });

/** `kind` in any case: `SCRAM-SHA-512` is `scram-sha-512`. */
export const anyCase = <T>(kind: Kind<T>): Kind<T> =>
  kindBy<T>(kind.placeholder, kind.grammar, (written) => {
    const parsed = parseValue(kind, written.toLowerCase());
    return parsed.ok ? parsed : undefined;
  });

/** `kind`, or a word such as `off` or `auto`, which means `value`. */
export const orWord = <T, V>(kind: Kind<T>, word: string, value: V): Kind<T | V> =>
  kindBy<T | V>(`${kind.placeholder}|${word}`, `${kind.grammar}, or ${word}`, (written) => {
    if (written === word) return { value };
    const parsed = parseValue(kind, written);
    return parsed.ok ? parsed : undefined;
  });

/** One or more values of `kind`, separated by commas; spaces around them are ignored. */
export const listOf = <T>(kind: Kind<T>): Kind<readonly T[]> =>
  kindBy<readonly T[]>(`${kind.placeholder},…`, `a comma-separated list, each ${kind.grammar}`, (written) => {
    const parsed = written.split(",").map((part) => parseValue(kind, part.trim()));
    const bad = parsed.find((part) => !part.ok);
    if (bad && !bad.ok) return bad.problem;
    return { value: parsed.flatMap((part) => part.ok ? [part.value] : []) };
  });

/** A name in a list: 1 to `max` printable characters. Its own commas are written `%2C`; `%` may be written `%25`. */
export const listedName = (placeholder: string, max: number): Kind<string> =>
  kindBy(placeholder, `a name of 1 to ${max} printable characters, with %2C for a comma in it`, (written) => {
    const parsed = parseValue(text(placeholder, max), written.replace(/%(2c|25)/gi, decodeURIComponent));
    return parsed.ok ? parsed : undefined;
  });

/** One or more paths or patterns, separated by commas outside of braces: `/a.log,/{b,c}.log`. Spaces around them are ignored. */
export const paths: Kind<readonly string[]> = {
  repeats: true,
  ...kindBy(
    "<path>,…",
    "one or more paths or patterns of 1 to 4096 printable characters, separated by commas",
    (written) => {
      const found = [...written.matchAll(/(?:\{[^{}]*\}|[^,])+/g)].map(([path]) => path.trim());
      const fits = found.length > 0 &&
        found.join().length === written.split(",").map((part) => part.trim()).join().length;
      return fits && found.every((path) => parseValue(text(), path).ok) ? { value: found } : undefined;
    },
  ),
};

const MS_IN: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration in [min, max] ms, both inclusive: a whole number with `ms`, `s`, `m`, `h` or `d`; without a unit in milliseconds. */
export const duration = (min: number, max: number): Kind<DurationMs> =>
  kindBy(
    "<duration>",
    `a duration from ${formatDuration(min)} to ${formatDuration(max)}, such as 250ms, 60s, 5m or 1h`,
    (written) => {
      const match = /^(\d{1,13})(ms|s|m|h|d)?$/.exec(written);
      if (!match) return undefined;
      const value = Number(match[1]) * (MS_IN[match[2] ?? "ms"] ?? 1);
      return value >= min && value <= max ? { value: durationMs(value) } : undefined;
    },
  );

/** A duration in the largest unit that divides it: 300000 → `5m`. */
export function formatDuration(value: number): string {
  const unit = ["d", "h", "m", "s"].find((unit) => value !== 0 && value % MS_IN[unit]! === 0) ?? "ms";
  return `${value / MS_IN[unit]!}${unit}`;
}

const BYTES_IN: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** A size in [min, max] bytes, both inclusive: a whole number with `B`, `KiB`, `MiB` or `GiB`; without a unit in bytes. */
export const bytes = (min: number, max: number): Kind<number> =>
  kindBy(
    "<bytes>",
    `a size from ${formatBytes(min)} to ${formatBytes(max)}, such as 512B, 64KiB or 1MiB`,
    (written) => {
      const match = /^(\d{1,13})(B|KiB|MiB|GiB)?$/.exec(written);
      if (!match) return undefined;
      const value = Number(match[1]) * (BYTES_IN[match[2] ?? "B"] ?? 1);
      return value >= min && value <= max ? { value } : undefined;
    },
  );

/** A size in the largest unit that divides it: 1048576 → `1MiB`. */
export function formatBytes(value: number): string {
  const unit = ["GiB", "MiB", "KiB"].find((unit) => value !== 0 && value % BYTES_IN[unit]! === 0) ?? "B";
  return `${value / BYTES_IN[unit]!}${unit}`;
}

const instant: Kind<EpochMs> = kindBy("<time>", "an RFC 3339 time such as 2026-01-31T00:00:00Z", (written) => {
  const known = z.iso.datetime({ offset: true }).safeParse(written);
  return known.success ? { value: epochMs(Date.parse(written)) } : undefined;
});

/** Where a stream without stored positions begins. `timestamp`: at the first record whose record time is at or after it. */
export type StartAt =
  | { readonly kind: "earliest" }
  | { readonly kind: "latest" }
  | { readonly kind: "timestamp"; readonly time: EpochMs };

export const startAt: Kind<StartAt> = kindBy<StartAt>(
  "earliest|latest|<time>",
  `earliest, latest, or ${instant.grammar}`,
  (written) => {
    if (written === "earliest" || written === "latest") return { value: { kind: written } };
    const parsed = parseValue(instant, written);
    return parsed.ok ? { value: { kind: "timestamp", time: parsed.value } } : undefined;
  },
);

/** `host:port`, an IPv6 host in brackets; the port defaults to `defaultPort`. */
export const hostPort = (defaultPort: number): Kind<string> =>
  kindBy("<host:port>", "host:port without a scheme", (written) => {
    const match = /^([\p{L}\p{N}._-]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?$/u.exec(written);
    if (!match) return undefined;
    const port = Number(match[2] ?? defaultPort);
    return port >= 1 && port <= 65535 ? { value: `${match[1]}:${port}` } : undefined;
  });
