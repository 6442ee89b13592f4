// Which names belong to one logical log, and which of them rotation made first. Pure.
import { basename, dirname, resolve } from "node:path";

const COMPRESSED = /\.(gz|zst|xz|bz2)$/;
const ADDED = /^[.\-_]\d[\d\-_.T:Z]*$/;
/** A longer number is a date or a time, a shorter one counts rotations. */
const COUNT_DIGITS_MAX = 5;

/** Whether a `SOURCE` path is a pattern rather than one file's name. */
export function isGlob(path: string): boolean {
  return /[*?[{]/.test(path);
}

/**
 * Whether `name` is what a log rotation makes of `base` (both without folder): `access.log.1`, `access.log-20260101.gz`,
 * `access-2026-01-01.log`. `access.log.bak` and `access_api.log` are other files.
 */
export function isRotatedName(base: string, name: string): boolean {
  return name !== base && rotationOf(base, name) !== null;
}

/** What rotation added to a log's name. */
interface Rotation {
  readonly kind: "live" | "count" | "date";
  /** Greater is older for counts, younger for dates. */
  readonly rank: number;
}

/** What rotation added to `base` to make `name`; null where they belong to different logs. */
export function rotationOf(base: string, name: string): Rotation | null {
  const plain = name.replace(COMPRESSED, "");
  if (plain === base) return { kind: "live", rank: 0 };
  const added = plain.startsWith(base) ? plain.slice(base.length) : beforeExtension(base, plain);
  if (added === null || !ADDED.test(added)) return null;
  const digits = added.replace(/\D/g, "");
  return { kind: digits.length > COUNT_DIGITS_MAX ? "date" : "count", rank: Number(digits.slice(0, 15)) };
}

/** The log's name in what a rotation made of it: `access.log` of `access.log.1.gz` and of `access-2026-01-01.log`. */
export function baseOf(name: string): string {
  return name.replace(COMPRESSED, "").replace(/[.\-_]\d[\d\-_.T:Z]*(?=(\.[A-Za-z]+)?$)/, "");
}

function beforeExtension(base: string, plain: string): string | null {
  const dot = base.lastIndexOf(".");
  if (dot <= 0) return null;
  const stem = base.slice(0, dot), extension = base.slice(dot);
  if (!plain.startsWith(stem) || !plain.endsWith(extension) || plain.length <= base.length) return null;
  return plain.slice(stem.length, plain.length - extension.length);
}

/** Whether a file at `at` can have been one of the log at `path`: a pattern is not looked into. */
export function isOwnPath(path: string, at: string): boolean {
  if (isGlob(path)) return true;
  const own = resolve(path), other = resolve(at);
  return own === other || (dirname(own) === dirname(other) && isRotatedName(basename(own), basename(other)));
}
