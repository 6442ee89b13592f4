// Compares the published and the replayed rows of the same windows. No I/O; `addTo` changes the sums that it is given.

interface RowKey {
  /** Start of the window, epoch ms. */
  readonly window: number;
  readonly host: string;
  readonly referrer: string;
  readonly countryCode: string;
  readonly region: string;
  readonly city: string;
}

export interface Hits {
  readonly hits: number;
  readonly bots: number;
}

/** Hits by key. */
type Rows = ReadonlyMap<string, Hits>;

/** Counted and late rows of a range of windows. */
export interface Tables {
  readonly counted: Map<string, Hits>;
  readonly late: Map<string, Hits>;
  /** Records that were read. */
  records: number;
}

/** A row that differs. A side without the row has zeros. */
export interface RowDifference extends RowKey {
  readonly table: "counted" | "late";
  /** place: the hits of (window, host, referrer) are equal, only their places differ. */
  readonly kind: "hits" | "place";
  readonly published: Hits;
  readonly replayed: Hits;
}

export const NONE: Hits = { hits: 0, bots: 0 };

/** The key as text: JSON, because a referrer can contain any character. */
export function keyOf({ window, host, referrer, countryCode, region, city }: RowKey): string {
  return JSON.stringify([window, host, referrer, countryCode, region, city]);
}

function rowKey(key: string): RowKey {
  const [window, host, referrer, countryCode, region, city] = JSON.parse(key) as [
    number,
    string,
    string,
    string,
    string,
    string,
  ];
  return { window, host, referrer, countryCode, region, city };
}

/**
 * Every difference, ascending by window.
 *
 * @param folded starts of windows with a folded row: only their sums can be compared
 */
export function compareTables(published: Tables, replayed: Tables, folded: ReadonlySet<number>): RowDifference[] {
  const fold = (rows: Rows) => foldWindows(rows, folded);
  return [
    ...compare("counted", fold(published.counted), fold(replayed.counted)),
    ...compare("late", published.late, replayed.late),
  ].sort((a, b) => a.window - b.window || (a.host < b.host ? -1 : a.host > b.host ? 1 : 0));
}

function compare(table: RowDifference["table"], published: Rows, replayed: Rows): RowDifference[] {
  const groupOf = (key: string) => {
    const { window, host, referrer } = rowKey(key);
    return JSON.stringify([window, host, referrer]);
  };
  return differing(published, replayed, groupOf).map(({ key, isWithin, ...sides }): RowDifference => ({
    table,
    kind: isWithin ? "place" : "hits",
    ...rowKey(key),
    ...sides,
  }));
}

/** The keys whose hits differ. `isWithin`: the sums of the key's group are equal, so only the keys within the group differ. */
export function differing(published: Rows, replayed: Rows, groupOf: (key: string) => string) {
  const ours = sumsOf(published, groupOf), theirs = sumsOf(replayed, groupOf);
  return [...new Set([...published.keys(), ...replayed.keys()])].flatMap((key) => {
    const sides = { published: published.get(key) ?? NONE, replayed: replayed.get(key) ?? NONE };
    if (isSame(sides.published, sides.replayed)) return [];
    const group = groupOf(key);
    return [{ key, isWithin: isSame(ours.get(group) ?? NONE, theirs.get(group) ?? NONE), ...sides }];
  });
}

const isSame = (a: Hits, b: Hits) => a.hits === b.hits && a.bots === b.bots;

function sumsOf(rows: Rows, groupOf: (key: string) => string): Rows {
  const sums = new Map<string, Hits>();
  for (const [key, hits] of rows) addTo(sums, groupOf(key), hits);
  return sums;
}

function foldWindows(rows: Rows, folded: ReadonlySet<number>): Rows {
  if (folded.size === 0) return rows;
  const result = new Map<string, Hits>();
  for (const [key, hits] of rows) {
    const { window } = rowKey(key);
    const whole = { window, host: "(all)", referrer: "", countryCode: "", region: "", city: "" };
    addTo(result, folded.has(window) ? keyOf(whole) : key, hits);
  }
  return result;
}

/** Adds hits to those of a key. */
export function addTo(sums: Map<string, Hits>, key: string, { hits, bots }: Hits): void {
  const known = sums.get(key) ?? NONE;
  sums.set(key, { hits: known.hits + hits, bots: known.bots + bots });
}
