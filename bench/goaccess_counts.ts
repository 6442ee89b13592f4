// Which panel of GoAccess a request is in, and sums over lines. Pure.

/** Panels that hold requests. */
export const PARTS = ["requests", "static", "not found"] as const;
export type Panel = typeof PARTS[number];

/** The panel of a request. `panels`: of paths that GoAccess takes for static files. */
export function panelOf(status: number, path: string, panels: ReadonlyMap<string, Panel>): Panel {
  return status === 404 ? "not found" : panels.get(path) ?? "requests";
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
