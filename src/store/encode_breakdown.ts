// The breakdowns of one chunk, from its table: pairs of host and value, one dimension after the other. No I/O.
// The entry channel is not counted for each event: it follows from host and referrer, which the keys have.
import { DIMENSION_BITS } from "../breakdown/dimensions.ts";
import type { EventBreakdowns } from "../event/types.ts";
import { CHANNELS, referrerChannel } from "../report/referrer_channel.ts";
import type { KeyTable } from "../window/key_table.ts";
import type { PairTable } from "../window/pair_table.ts";
import { Indexes, TEXT_END } from "./encode_indexes.ts";
import { keptPairs } from "./kept_pairs.ts";
import type { ChunkBreakdown } from "./port.ts";

/** The value of what is folded. No record has it: paths begin with a slash, the other dimensions have lists or separators. */
const OTHER = "(other)";
/** Channels of pairs of host and referrer that are remembered: each takes a URL to be parsed. */
const CHANNELS_REMEMBERED_MAX = 1 << 16;

type Values = Pick<EventBreakdowns, "pages" | "clients" | "campaigns">;

/** The dimensions that are counted for each event, in order of their numbers in the database. */
const COUNTED = ["page", "client", "campaign"] as const;
type Counted = typeof COUNTED[number];

/** A chunk's keys: for each the 1-based index of its host in the chunk, and the texts by the table's ids. */
interface ChunkHosts {
  readonly hosts: Indexes;
  readonly hostIx: readonly number[];
  readonly hostText: (id: number) => string;
  readonly referrerText: (id: number) => string;
}

/** Columns of a breakdown while its dimensions are written. */
interface Columns {
  values: string;
  valueCount: number;
  readonly ends: number[];
  readonly hostIx: number[];
  readonly valueIx: number[];
  readonly hits: number[];
  readonly botHits: number[];
}

/** Encodes breakdowns. Between calls it keeps scratch space, and channels. */
export class BreakdownEncoder {
  readonly #indexes: Readonly<Record<Counted, Indexes>>;
  /** Indexes into {@link CHANNELS} by referrer and host: by texts, because ids come to mean other texts. */
  #channels = new Map<string, Map<string, number>>();
  #channelsRemembered = 0;

  /** @param valuesMax values of a host that one dimension of a chunk names; the others are sent as one value */
  constructor({ pages, clients, campaigns }: Values, private readonly valuesMax: number) {
    this.#indexes = { page: new Indexes(pages), client: new Indexes(clients), campaign: new Indexes(campaigns) };
  }

  /** The breakdowns of a table whose keys are encoded; `null` if it has none. */
  encode(table: KeyTable, chunk: ChunkHosts): ChunkBreakdown | null {
    const { pairs } = table;
    if (pairs === null) return null;
    const columns: Columns = {
      values: "",
      valueCount: 0,
      ends: [],
      hostIx: [],
      valueIx: [],
      hits: [],
      botHits: [],
    };
    for (const dimension of COUNTED) {
      if (pairs[dimension] !== null) this.#addPairs(columns, dimension, pairs[dimension], chunk.hosts);
      columns.ends.push(columns.hits.length);
    }
    if ((pairs.counted & DIMENSION_BITS.channel) !== 0) this.#addChannels(columns, table, chunk);
    columns.ends.push(columns.hits.length);
    return {
      mask: pairs.counted,
      values: columns.values,
      ends: columns.ends.join(),
      hostIx: columns.hostIx.join(),
      valueIx: columns.valueIx.join(),
      hits: columns.hits.join(),
      botHits: columns.botHits.join(),
    };
  }

  #addPairs(columns: Columns, dimension: Counted, pairs: PairTable, hosts: Indexes): void {
    const values = this.#indexes[dimension], before = columns.valueCount;
    values.begin();
    const kept = keptPairs(pairs, this.valuesMax);
    /** Hits and bot hits that are folded, by the host's index. */
    const folded = new Map<number, [hits: number, botHits: number]>();
    for (let i = 0; i < pairs.size; i++) {
      if (kept !== null && kept[i] === 0) {
        const index = hosts.of(pairs.host[i]!), [hits, botHits] = folded.get(index) ?? [0, 0];
        folded.set(index, [hits + pairs.pairHits[i]!, botHits + pairs.pairBotHits[i]!]);
        continue;
      }
      columns.hostIx.push(hosts.of(pairs.host[i]!));
      columns.valueIx.push(before + values.of(pairs.value[i]!));
      columns.hits.push(pairs.pairHits[i]!);
      columns.botHits.push(pairs.pairBotHits[i]!);
    }
    columns.values += values.list;
    columns.valueCount += values.count;
    if (folded.size > 0) {
      columns.values += OTHER + TEXT_END;
      columns.valueCount++;
    }
    for (const [index, [hits, botHits]] of folded) {
      columns.hostIx.push(index);
      columns.valueIx.push(columns.valueCount);
      columns.hits.push(hits);
      columns.botHits.push(botHits);
    }
  }

  #addChannels(columns: Columns, table: KeyTable, { hosts, hostIx, hostText, referrerText }: ChunkHosts): void {
    const kinds = CHANNELS.length;
    const hits = new Int32Array(hosts.count * kinds), botHits = new Int32Array(hosts.count * kinds);
    for (let i = 0; i < table.size; i++) {
      const channel = this.#channelOf(hostText(table.host[i]!), referrerText(table.referrer[i]!));
      const at = (hostIx[i]! - 1) * kinds + channel;
      hits[at]! += table.keyHits[i]!;
      botHits[at]! += table.keyBotHits[i]!;
    }
    const indexes = new Array<number>(kinds).fill(0);
    for (let at = 0; at < hits.length; at++) {
      if (hits[at] === 0) continue;
      const channel = at % kinds;
      if (indexes[channel] === 0) {
        indexes[channel] = ++columns.valueCount;
        columns.values += CHANNELS[channel]! + TEXT_END;
      }
      columns.hostIx.push(Math.floor(at / kinds) + 1);
      columns.valueIx.push(indexes[channel]!);
      columns.hits.push(hits[at]!);
      columns.botHits.push(botHits[at]!);
    }
  }

  #channelOf(host: string, referrer: string): number {
    const known = this.#channels.get(referrer)?.get(host);
    if (known !== undefined) return known;
    if (++this.#channelsRemembered > CHANNELS_REMEMBERED_MAX) {
      this.#channels = new Map();
      this.#channelsRemembered = 1;
    }
    const channel = CHANNELS.indexOf(referrerChannel(referrer, new Set([withoutPort(host)])));
    let byHost = this.#channels.get(referrer);
    if (byHost === undefined) this.#channels.set(referrer, byHost = new Map());
    byHost.set(host, channel);
    return channel;
  }
}

const withoutPort = (host: string) => host.replace(/:\d+$/, "");
