// Which names belong to one logical log. Pure.

/** Whether a `SOURCE` path is a pattern rather than one file's name. */
export function isGlob(path: string): boolean {
  return /[*?[{]/.test(path);
}

/**
 * Whether `name` is what a log rotation makes of `base` (both without folder): `access.log.1`, `access.log-20260101.gz`,
 * `access-2026-01-01.log`. `access.log.bak` and `access_api.log` are other files.
 */
export function isRotatedName(base: string, name: string): boolean {
  const plain = name.replace(/\.gz$/, "");
  if (plain === base) return name !== base;
  if (plain.startsWith(base)) return /^[.\-_]\d[\d\-_.T:Z]*$/.test(plain.slice(base.length));
  const dot = base.lastIndexOf(".");
  if (dot <= 0) return false;
  const stem = base.slice(0, dot);
  const extension = base.slice(dot);
  return plain.startsWith(stem) && plain.endsWith(extension) && plain.length > base.length &&
    /^[.\-_]\d[\d\-_.T:Z]*$/.test(plain.slice(stem.length, plain.length - extension.length));
}
