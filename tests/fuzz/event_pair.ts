// The two event readers side by side: what must be equal between them, and under which rules. No I/O.
import { DIMENSION_BITS } from "../../src/breakdown/dimensions.ts";
import { KEY_BYTES, sipKey } from "../../src/breakdown/siphash.ts";
import { VisitorHasher } from "../../src/breakdown/visitor.ts";
import { type CountingEventReader, createEventReader } from "../../src/event/fast_reader.ts";
import { type EventRules, readEvent, type ReadResult } from "../../src/event/read_event.ts";
import { RULES_1, RULES_2 } from "../../src/event/stream_rules.ts";
import { deadReason, READ_COMMENT, READ_OK } from "../../src/event/types.ts";
import { type PlaceLocator, UNKNOWN_PLACE } from "../../src/geo/port.ts";
import { epochMs } from "../../src/shared/units.ts";
import { mapping, MAPPINGS } from "./mapped_values.ts";

/** Everything that can be counted beside the rows. */
const ALL = Object.values(DIMENSION_BITS).reduce((all, bit) => all | bit, 0);
const SALT = { id: "", key: sipKey(new Uint8Array(KEY_BYTES).fill(9)), number: 1 };

/** The rule sets that are fuzzed; together they reach every branch that depends on a rule. */
export const RULE_SETS: Readonly<Record<string, EventRules>> = {
  json: { stream: RULES_1, format: "json", referrerGranularity: "raw", keyBytesMax: 1024, trustedProxyHops: 0 },
  origin: { stream: RULES_1, format: "json", referrerGranularity: "origin", keyBytesMax: 32, trustedProxyHops: 1 },
  domain: { stream: RULES_1, format: "json", referrerGranularity: "domain", keyBytesMax: 40, trustedProxyHops: 2 },
  lines: {
    stream: RULES_1,
    format: "lines",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops: 0,
    defaultHost: "Shop.example",
  },
  hostless: {
    stream: RULES_1,
    format: "lines",
    referrerGranularity: "origin",
    keyBytesMax: 64,
    trustedProxyHops: 1,
  },
  json2: { stream: RULES_2, format: "json", referrerGranularity: "raw", keyBytesMax: 1024, trustedProxyHops: 0 },
  keep2: {
    stream: { ...RULES_2, hostAddresses: "keep" },
    format: "json",
    referrerGranularity: "domain",
    keyBytesMax: 48,
    trustedProxyHops: 1,
  },
  lines2: {
    stream: RULES_2,
    format: "lines",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops: 0,
    defaultHost: "Shop.example",
  },
  hops2: {
    stream: RULES_2,
    format: "lines",
    referrerGranularity: "origin",
    keyBytesMax: 64,
    trustedProxyHops: 1,
  },
  caddy2: {
    stream: { ...RULES_2, logFormat: "caddy" },
    format: "lines",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops: 0,
    defaultHost: "Shop.example",
  },
  all1: {
    stream: RULES_1,
    format: "json",
    referrerGranularity: "raw",
    keyBytesMax: 64,
    trustedProxyHops: 0,
    breakdowns: ALL,
  },
  all_lines1: {
    stream: RULES_1,
    format: "lines",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops: 0,
    defaultHost: "Shop.example",
    breakdowns: ALL,
  },
  all2: {
    stream: RULES_2,
    format: "json",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops: 1,
    breakdowns: ALL,
  },
  all_lines2: {
    stream: RULES_2,
    format: "lines",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops: 0,
    defaultHost: "Shop.example",
    breakdowns: ALL,
  },
  ...Object.fromEntries(
    (Object.keys(MAPPINGS) as (keyof typeof MAPPINGS)[]).map((name): [string, EventRules] => [name, {
      stream: { ...RULES_2, fields: mapping(MAPPINGS[name]) },
      format: "json",
      referrerGranularity: "raw",
      keyBytesMax: 1024,
      trustedProxyHops: 0,
      breakdowns: ALL,
    }]),
  ),
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
    // So that visitors are told apart by the text.
    family: 0,
    words: new Uint32Array(4),
    place: () => UNKNOWN_PLACE,
    get size() {
      return addresses.length;
    },
    address: (id) => addresses[id]!,
  };
}

/** A fast reader under `rules`, and the comparison of one value with the slow path. In place of an agent both give the visitor. */
export class DifferentialPair {
  readonly reader: CountingEventReader;
  readonly #locator = createEchoLocator();
  readonly #hasher = new VisitorHasher();
  readonly #encoder = new TextEncoder();

  constructor(readonly rules: EventRules) {
    this.reader = createEventReader({ ...rules, locator: this.#locator, hashSeed: 42 });
  }

  /** What the fast reader makes of `buffer[start, end)`, in the slow path's words. */
  readFast(buffer: Uint8Array, start: number, end: number): ReadResult {
    const { reader } = this;
    const code = reader.read(buffer, start, end);
    if (code === READ_COMMENT) return { kind: "comment" };
    if (code !== READ_OK) return { kind: "dead", reason: deadReason(code) };
    return {
      kind: "event",
      eventTime: epochMs(reader.eventTime),
      host: reader.hosts.text(reader.host),
      referrer: reader.referrers.text(reader.referrer),
      address: this.#locator.address(reader.place),
      bot: reader.bot === 1,
      ...(reader.breakdown !== null && {
        breakdown: {
          page: reader.breakdown.pages.text(reader.breakdown.page),
          client: reader.breakdown.clients.text(reader.breakdown.client),
          campaign: reader.breakdown.campaigns.text(reader.breakdown.campaign),
          agent: String(reader.breakdown.visitor(SALT)),
        },
      }),
    };
  }

  readSlow(value: Uint8Array): ReadResult {
    const result = readEvent(value, this.rules);
    if (result.kind !== "event" || result.breakdown === undefined) return result;
    const hasher = this.#hasher, { key } = SALT;
    const [agent, address] = [result.breakdown.agent, result.address].map((text) => this.#encoder.encode(text));
    hasher.hashAgent(key, agent!, 0, agent!.length);
    const visitor = hasher.update(key, address!, 0, address!.length, hasher.agentHigh, hasher.agentLow);
    return { ...result, breakdown: { ...result.breakdown, agent: String(visitor) } };
  }

  /** A sentence that says how the fast path differs from `slow` on `buffer[start, end)`, or `undefined` where it does not. */
  difference(slow: ReadResult, buffer: Uint8Array, start: number, end: number): string | undefined {
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
  if (a.kind !== "event" || b.kind !== "event") {
    return a.kind === b.kind && (a as { reason?: string }).reason === (b as { reason?: string }).reason;
  }
  return Object.is(a.eventTime, b.eventTime) && a.host === b.host && a.referrer === b.referrer &&
    a.address === b.address && a.bot === b.bot && a.breakdown?.page === b.breakdown?.page &&
    a.breakdown?.client === b.breakdown?.client && a.breakdown?.campaign === b.breakdown?.campaign &&
    a.breakdown?.agent === b.breakdown?.agent;
}
