// Which panel of GoAccess a request is in, and sums over lines. Pure.

/** Panels that hold requests. */
export const PARTS = ["requests", "static", "not found"] as const;
export type Panel = typeof PARTS[number];

/** The panel of a request. `statics`: paths that GoAccess takes for static files. */
export function panelOf(status: number, path: string, statics: ReadonlySet<string>): Panel {
  return status === 404 ? "not found" : statics.has(path) ? "static" : "requests";
}

/** A request's path as GoAccess shows it without its query: octets are decoded; what is not UTF-8 becomes U+FFFD. */
export function goPath(target: string): string {
  const bytes: number[] = [];
  for (const [part, octet] of target.replace(/\?.*$/s, "").matchAll(/%([0-9a-f]{2})|[^%]+|%/gi)) {
    if (octet === undefined) bytes.push(...new TextEncoder().encode(part));
    else bytes.push(parseInt(octet, 16));
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

/** Sums by key. */
export function sumOf(pairs: Iterable<readonly [key: string, hits: number]>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [key, hits] of pairs) sums.set(key, (sums.get(key) ?? 0) + hits);
  return sums;
}

/** Numbers of items by two keys. */
export function shares<Item>(
  items: readonly Item[],
  row: (item: Item) => string,
  column: (item: Item) => string,
): Map<string, Map<string, number>> {
  const result = new Map<string, Map<string, number>>();
  for (const item of items) {
    const key = row(item);
    let sums = result.get(key);
    if (sums === undefined) result.set(key, sums = new Map());
    sums.set(column(item), (sums.get(column(item)) ?? 0) + 1);
  }
  return result;
}
