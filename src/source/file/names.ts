// Which names belong to one logical log, and which of them rotation made first. Pure.

const COMPRESSED = /\.(gz|zst|xz|bz2)$/;
/** What people and editors add to a copy's name. */
const BACKUP = /(\.(bak|copy|old|orig|prev|save|swp|tmp)|~)$/i;
/** A date, and the time after it, if any. */
const DATED =
  /(?<!\d)(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?:[-_.T]?([01]\d|2[0-3])(?!\d\d\d(?!\d))[\d\-:]*Z?)?(?!\d)/;
/** IIS: `u_ex260105.log`, `u_ex26010513.log`. */
const IIS = /(?<=ex)\d{6}(\d\d)?(?=(_x)?\.log$)/i;
/** A number before the extension: `access.1.log`, but also `web-1.log`. */
const NUMBERED = /^(.*)[.\-_]\d{1,5}(\.[A-Za-z]+)$/;
const ADDRESS = /\d+\.\d+\.\d+\.\d+/;
const ADDED = /^[.\-_]\d[\d\-_.T:Z]*$/;
/** A longer number is a date or a time; a shorter one counts rotations. */
const COUNT_DIGITS_MAX = 5;

/** Whether `name` is a backup of `base` that a person or an editor made: `access.log.bak`, `access.log~`. */
export function isBackupOf(base: string, name: string): boolean {
  return name.startsWith(base) && BACKUP.exec(name)?.index === base.length;
}

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

/** What rotation added to `base` to make `name`; null if they belong to different logs. */
export function rotationOf(base: string, name: string): Rotation | null {
  const plain = name.replace(COMPRESSED, "");
  if (plain === base) return { kind: "live", rank: 0 };
  const added = plain.startsWith(base) ? plain.slice(base.length) : beforeExtension(base, plain);
  if (added === null || !ADDED.test(added)) return null;
  const digits = added.replace(/\D/g, "");
  return { kind: digits.length > COUNT_DIGITS_MAX ? "date" : "count", rank: Number(digits.slice(0, 15)) };
}

/**
 * The name of the log that a file belongs to: `access.log` for `access.log.1.gz`, `access-2026-01-01.log` and the backup `access.log.bak`.
 * After a date with a time, the rest of the name is a part's number or address and is dropped: `app.log` for
 * `app_20260105T0000Z_10.0.0.1_x7.log`. A number before the extension may be a server's (`web-1.log`). It is dropped only if `isLog` knows
 * the name without it.
 */
export function baseOf(name: string, isLog: (name: string) => boolean): string {
  const plain = withoutEndings(name);
  const numbered = NUMBERED.exec(plain);
  if (numbered !== null && isLog(numbered[1]! + numbered[2]!)) return numbered[1]! + numbered[2]!;
  const dated = DATED.exec(plain);
  if (dated !== null) {
    const before = plain.slice(0, dated.index), after = plain.slice(dated.index + dated[0].length);
    const rest = dated[2] === undefined
      ? after.replace(/[.\-_]\d+(?=[.\-_]|$)/g, "")
      : /\.[A-Za-z]{1,10}$/.exec(after)?.[0] ?? "";
    const base = before.replace(/[.\-_]+$/, "") + rest;
    return before === "" ? base.replace(/^[.\-_]+/, "") : base;
  }
  if (numbered !== null) return plain;
  return plain.replace(IIS, "").replace(/[.\-_]\d[\d\-_.T:Z]*$/, (added) => ADDRESS.test(added) ? added : "");
}

function withoutEndings(name: string): string {
  for (let plain = name;;) {
    const shorter = plain.replace(COMPRESSED, "").replace(BACKUP, "");
    if (shorter === plain || shorter === "") return plain;
    plain = shorter;
  }
}

function beforeExtension(base: string, plain: string): string | null {
  const dot = base.lastIndexOf(".");
  if (dot <= 0) return null;
  const stem = base.slice(0, dot), extension = base.slice(dot);
  if (!plain.startsWith(stem) || !plain.endsWith(extension) || plain.length <= base.length) return null;
  return plain.slice(stem.length, plain.length - extension.length);
}
