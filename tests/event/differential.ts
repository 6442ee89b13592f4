// The differential fuzz of the event readers: what must be equal between the two paths, and under which rules.
// Used by tests/event/differential_test.ts and, for any number of cases, by bench/event_fuzz.ts.
import { type CountingEventReader, createEventReader } from "../../src/event/fast_reader.ts";
import { type EventRules, readEvent, type ReadResult } from "../../src/event/read_event.ts";
import { deadReason, READ_OK } from "../../src/event/types.ts";
import { type PlaceLocator, UNKNOWN_PLACE } from "../../src/geo/port.ts";
import { epochMs } from "../../src/shared/units.ts";
import { generateValue, randomBelow } from "./hostile_values.ts";

/** The rule sets that are fuzzed; together they reach every branch that depends on a rule. */
export const RULE_SETS: Readonly<Record<string, EventRules>> = {
  json: { format: "json", referrerGranularity: "raw", keyBytesMax: 1024, trustedProxyHops: 0 },
  origin: { format: "json", referrerGranularity: "origin", keyBytesMax: 32, trustedProxyHops: 1 },
  domain: { format: "json", referrerGranularity: "domain", keyBytesMax: 40, trustedProxyHops: 2 },
  lines: {
    format: "lines",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops: 0,
    defaultHost: "Shop.example",
  },
  hostless: { format: "lines", referrerGranularity: "origin", keyBytesMax: 64, trustedProxyHops: 1 },
};

/** A locator whose places are the addresses it was asked for, so that both paths' choice of address can be compared. */
export function createEchoLocator(): PlaceLocator & { address(id: number): string } {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const ids = new Map<string, number>();
  const addresses: string[] = [];
  return {
    locate(bytes, start, end) {
      const address = decoder.decode(bytes.subarray(start, end));
      let id = ids.get(address);
      if (id === undefined) ids.set(address, id = addresses.push(address) - 1);
      return id;
    },
    place: () => UNKNOWN_PLACE,
    get size() {
      return addresses.length;
    },
    address: (id) => addresses[id]!,
  };
}

/** A fast reader under `rules`, and the comparison of one value with the slow path. */
export class DifferentialPair {
  readonly reader: CountingEventReader;
  /** Values that were events so far. */
  events = 0;
  readonly #locator = createEchoLocator();

  constructor(readonly rules: EventRules) {
    this.reader = createEventReader({ ...rules, locator: this.#locator, hashSeed: 42 });
  }

  /** What the fast reader makes of `buffer[start, end)`, in the slow path's words. */
  readFast(buffer: Uint8Array, start: number, end: number): ReadResult {
    const { reader } = this;
    const code = reader.read(buffer, start, end);
    if (code !== READ_OK) return { kind: "dead", reason: deadReason(code) };
    return {
      kind: "event",
      eventTime: epochMs(reader.eventTime),
      host: reader.hosts.text(reader.host),
      referrer: reader.referrers.text(reader.referrer),
      address: this.#locator.address(reader.place),
      bot: reader.bot === 1,
    };
  }

  /** A sentence that says how the paths differ on `buffer[start, end)`, or `undefined` where they agree. */
  difference(buffer: Uint8Array, start: number, end: number): string | undefined {
    const slow = readEvent(buffer.subarray(start, end), this.rules);
    if (slow.kind === "event") this.events++;
    // Twice: the first reading may fill the dictionaries, the second finds what it left there.
    for (const sight of ["first", "second"]) {
      const fast = this.readFast(buffer, start, end);
      if (!same(fast, slow)) {
        return `on ${sight} sight fast gives ${JSON.stringify(fast)}, slow gives ${JSON.stringify(slow)}`;
      }
    }
    return undefined;
  }
}

function same(a: ReadResult, b: ReadResult): boolean {
  if (a.kind === "dead" || b.kind === "dead") {
    return a.kind === b.kind && (a as { reason: string }).reason === (b as { reason: string }).reason;
  }
  return Object.is(a.eventTime, b.eventTime) && a.host === b.host && a.referrer === b.referrer &&
    a.address === b.address && a.bot === b.bot;
}

/** What lies behind a record in its buffer: bytes that would make sense of a record whose reader runs past the end. */
const NEIGHBOURS = ['"', '"}', '"host":"neighbour"}', "0123456789", "}", ',"ip":"198.51.100.1"}', "\\", "\ud55c", ""]
  .map((s) => new TextEncoder().encode(s));
const arena = new Uint8Array(1 << 16);

/**
 * Compares both paths on `cases` values from `seed` under every rule set in turn.
 *
 * @returns how many were events, and the first differing case
 */
export function fuzz(
  seed: number,
  cases: number,
): { events: number; failure?: { rules: string; value: Uint8Array; difference: string } } {
  const below = randomBelow(seed);
  const pairs = Object.entries(RULE_SETS).map(([name, rules]) => ({ name, pair: new DifferentialPair(rules) }));
  const events = () => pairs.reduce((sum, { pair }) => sum + pair.events, 0);
  for (let n = 0; n < cases; n++) {
    const { name, pair } = pairs[n % pairs.length]!;
    const value = generateValue(below);
    let difference: string | undefined;
    if (below(8) === 0) {
      difference = pair.difference(value, 0, value.length); // ends where its buffer ends
    } else {
      const start = below(64);
      const neighbour = NEIGHBOURS[below(NEIGHBOURS.length)]!;
      arena.set(value, start);
      arena.set(neighbour, start + value.length);
      difference = pair.difference(arena, start, start + value.length);
    }
    if (difference !== undefined) return { events: events(), failure: { rules: name, value, difference } };
    if (pair.reader.memoryBytes > 4 * 1024 * 1024) pair.reader.reset();
  }
  return { events: events() };
}
