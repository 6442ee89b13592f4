// The engine's event reader: one walk over a record's bytes; an event with known texts makes neither strings nor objects. No I/O.
// Why it exists: a 344-byte event takes 4.0 µs on the slow path, 1.26 µs with a bare JSON.parse and no checks, and 0.36 µs here
// (bench/event_bench.ts, which also times the parts).
//
// The fast path only finds events and their fields. All doubtful values (an escape in the time or address, a repeated field, a number in a
// text field, any error) go to read_event.ts, so only that file gives reasons. The rules of host, referrer and agent are those of the slow
// path, applied once per distinct token. tests/fuzz compares the two paths.
import type { PlaceLocator } from "../geo/port.ts";
import { allPaths, EVENT_FIELD_NAMES, formatEventFields } from "../shared/config/event_fields.ts";
import { invariant } from "../shared/errors.ts";
import { BotVerdicts } from "./bots.ts";
import { BreakdownReader } from "./breakdown/breakdown_reader.ts";
import { noViewOf, UNCERTAIN } from "./breakdown/request_bytes.ts";
import { clientAddressEnd, clientAddressStart } from "./client_address.ts";
import { VALUE_BYTES_MAX } from "./event_schema.ts";
import { parseEventTimeBytes } from "./event_time_bytes.ts";
import { hostOf, hostOfV2, INVALID_HOST, urlAuthorityEnd } from "./host.ts";
import { plainEnd, QUOTE, skipSpace, stringEnd, valueEnd } from "./json_scan.ts";
import { CommonLine } from "./log_line/common_bytes.ts";
import { logFormat } from "./log_line/formats.ts";
import { MappedWalk } from "./mapped_walk.ts";
import { type EventRules, readEvent } from "./read_event.ts";
import { referrerOf } from "./referrer.ts";
import { isPlain, type StreamRules } from "./stream_rules.ts";
import { cleanText, HASH_DIGITS, KEY_BYTES_MAX_LOWEST } from "./text.ts";
import { TextDictionary } from "./text_dictionary.ts";
import { FRAME_BYTES } from "./value_shape.ts";
import { type Dictionary, type EventReader, READ_COMMENT, READ_OK, type ReadCode, readCode } from "./types.ts";

interface EventReaderOptions extends EventRules {
  readonly locator: PlaceLocator;
  /** 32 bits for the hash tables: random in production, so that an attacker cannot construct colliding keys; fixed in tests. */
  readonly hashSeed: number;
}

export interface CountingEventReader extends EventReader {
  /** Values that the slow path has read since the start, dead letters included. Each costs ten times the CPU. */
  readonly slowReads: number;
}

export function createEventReader(options: EventReaderOptions): CountingEventReader {
  return new FastEventReader(options);
}

// Keys as little-endian words, so that two comparisons recognise a name.
const word = (text: string) =>
  text.charCodeAt(0) | text.charCodeAt(1) << 8 | text.charCodeAt(2) << 16 | text.charCodeAt(3) << 24;
const HOST = word("host");
const REFE = word("refe");
const RRER = word("rrer");
const USER = word("user");
const AGEN = word("_age");
const GENT = word("gent");
const EVEN = word("even");
const T_TI = word("t_ti");
const TIME = word("time");
const URL_QUOTE = word('url"');
const IP_QUOTE = word('ip":') & 0xffffff;
const METH = word("meth");
const THOD = word("thod");
const STAT = word("stat");
const ATUS = word("atus");
const LONGEST_KEY_BYTES = 10;

/** Bits of the fields seen in a record. A repeated field sends the record to the slow path, where the last one counts. */
const OTHER = 0;
const SEEN_HOST = 1;
const SEEN_REFERRER = 2;
const SEEN_AGENT = 4;
const SEEN_ADDRESS = 8;
const SEEN_TIME = 16;
const SEEN_URL = 32;
const SEEN_METHOD = 64;
const SEEN_STATUS = 128;
/** Fields that are read as bytes: an escape or a character beyond ASCII sends the record to the slow path. */
const READ_AS_BYTES = SEEN_TIME | SEEN_ADDRESS | SEEN_METHOD | SEEN_STATUS;

// Index of each field in the results of MappedWalk.
const [TIME_AT, HOST_AT, REFERRER_AT, ADDRESS_AT, AGENT_AT, URL_AT, METHOD_AT, STATUS_AT] =
  (["event_time", "host", "referrer", "ip", "user_agent", "url", "method", "status"] as const).map((name) =>
    EVENT_FIELD_NAMES.indexOf(name)
  ) as [number, number, number, number, number, number, number, number];

class FastEventReader implements CountingEventReader {
  eventTime = 0;
  host = 0;
  referrer = 0;
  place = 0;
  bot = 0;
  slowReads = 0;
  readonly breakdown: BreakdownReader | null;
  readonly #hosts: TextDictionary;
  /** Hosts by scheme and authority of a URL, for events without a `host`. */
  readonly #urlHosts: TextDictionary;
  readonly #referrers: TextDictionary;
  readonly #verdicts: BotVerdicts;
  readonly #locator: PlaceLocator;
  #rules: EventRules;
  #version = 0;
  /** `null` for events with the plain field names. */
  #mapped: MappedWalk | null = null;
  /** `null` if lines are not of the common family, and by version 1. */
  #line: CommonLine | null = null;
  readonly #ownHost: string | undefined;
  #hostRule: (host: string) => string | undefined = () => undefined;
  #defaultHostText: string | undefined;
  #defaultHostId = -1;
  readonly #trustedProxyHops: number;
  /** The buffer of the last record, and a view of it: the records of a batch share one. */
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  readonly #encoder = new TextEncoder();

  constructor(options: EventReaderOptions) {
    invariant(options.keyBytesMax >= KEY_BYTES_MAX_LOWEST, `keyBytesMax must be at least ${KEY_BYTES_MAX_LOWEST}`);
    const { hashSeed: seed } = options;
    this.#rules = options;
    this.#ownHost = options.defaultHost;
    this.#locator = options.locator;
    this.#trustedProxyHops = options.trustedProxyHops;
    const counted = options.breakdowns ?? 0;
    this.breakdown = counted === 0 ? null : new BreakdownReader(counted, { seed, locator: options.locator });
    this.#verdicts = this.breakdown?.verdicts ?? new BotVerdicts(seed);
    // `use` below sets the rules of the dictionaries.
    this.#referrers = new TextDictionary(seed, () => undefined);
    this.#hosts = new TextDictionary(seed, () => undefined);
    this.#urlHosts = new TextDictionary(seed, () => undefined);
    this.use(options.stream);
  }

  use(stream: StreamRules): void {
    this.#rules = { ...this.#rules, stream };
    this.#version = stream.version;
    const format = this.#rules.format === "lines" && stream.version !== 1 ? logFormat(stream.logFormat) : null;
    const isCommon = format?.kind === "auto" || format?.kind === "family";
    this.#line = isCommon ? new CommonLine(this.#trustedProxyHops > 0) : null;
    const fields = isPlain(stream) && format?.kind === "json" ? format.fields : stream.fields;
    const { method: _method, status: _status, ...paths } = allPaths(fields);
    this.#mapped = formatEventFields(fields) === ""
      ? null
      : new MappedWalk(this.breakdown === null ? paths : allPaths(fields));
    const { keyBytesMax, referrerGranularity } = this.#rules, { version, hostAddresses } = stream;
    const clean = (text: string) => cleanText(text, keyBytesMax, HASH_DIGITS[version]);
    const hostRule = (host: string | undefined, url: string | undefined) => {
      const named = version === 1 ? hostOf(host, url) : hostOfV2(host, url, hostAddresses);
      return named === undefined ? undefined : clean(named);
    };
    this.#hosts.use((sent) => hostRule(sent, undefined));
    this.#hostRule = (host) => hostRule(host, undefined);
    this.#setDefaultHost();
    this.#urlHosts.use((authority) => hostRule(undefined, authority));
    this.#referrers.use((sent) => clean(referrerOf(sent, referrerGranularity)));
    this.breakdown?.use(clean);
  }

  useHost(host: string | undefined): void {
    const defaultHost = host ?? this.#ownHost;
    if (defaultHost === this.#rules.defaultHost) return;
    this.#rules = { ...this.#rules, defaultHost };
    this.#setDefaultHost();
  }

  #setDefaultHost(): void {
    const { defaultHost } = this.#rules;
    this.#defaultHostText = defaultHost === undefined ? undefined : this.#hostRule(defaultHost);
    this.#defaultHostId = -1;
  }

  get hosts(): Dictionary {
    return this.#hosts;
  }

  get referrers(): Dictionary {
    return this.#referrers;
  }

  get memoryBytes(): number {
    return this.#hosts.memoryBytes + this.#urlHosts.memoryBytes + this.#referrers.memoryBytes +
      this.#verdicts.memoryBytes + (this.breakdown?.memoryBytes ?? 0);
  }

  reset(): void {
    this.#defaultHostId = -1;
    this.#hosts.reset();
    this.#urlHosts.reset();
    this.#referrers.reset();
    this.breakdown?.reset();
  }

  read(bytes: Uint8Array, start: number, end: number): ReadCode {
    if (end - start > VALUE_BYTES_MAX) return readCode("too_large");
    // Skips the frame of a schema registry. JSON never begins with a zero byte.
    const from = bytes[start] === 0 && this.#framed && end - start > FRAME_BYTES ? start + FRAME_BYTES : start;
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const done = this.#line !== null && bytes[from] !== 0x7b
      ? this.#readCommon(this.#line, bytes, from, end)
      : this.#mapped === null
      ? this.#readFast(bytes, from, end)
      : this.#readMapped(this.#mapped, bytes, from, end);
    return done ? READ_OK : this.#readSlow(bytes.subarray(start, end));
  }

  get #framed(): boolean {
    return this.#version !== 1 && this.#rules.format === "json";
  }

  /** Returns false if the slow path has to decide. */
  #readFast(b: Uint8Array, start: number, end: number): boolean {
    const view = this.#view;
    // An absent field is an empty range. All fields but the time may be empty.
    let hostStart = 0, hostEnd = 0, referrerStart = 0, referrerEnd = 0, agentStart = 0, agentEnd = 0;
    let addressStart = 0, addressEnd = 0, timeStart = 0, timeEnd = 0, urlStart = 0, urlEnd = 0;
    let methodStart = 0, methodEnd = 0, statusStart = 0, statusEnd = 0;
    const isBrokenDown = this.breakdown !== null;
    let seen = 0;
    let p = skipSpace(b, start, end);
    if (p >= end || b[p] !== 0x7b) return false;
    for (;;) {
      p++; // past the brace or the comma
      if (b[p]! <= 0x20) p = skipSpace(b, p, end);
      if (p >= end || b[p] !== QUOTE) return false;
      const key = p + 1;
      let field = OTHER;
      let keyEnd = -1;
      if (key + LONGEST_KEY_BYTES <= view.byteLength) {
        const first = view.getInt32(key, true);
        if (first === HOST) {
          field = SEEN_HOST;
          keyEnd = key + 4;
        } else if (first === REFE) {
          if (view.getInt32(key + 4, true) === RRER) {
            field = SEEN_REFERRER;
            keyEnd = key + 8;
          }
        } else if (first === USER) {
          if (view.getInt32(key + 4, true) === AGEN && view.getInt32(key + 6, true) === GENT) {
            field = SEEN_AGENT;
            keyEnd = key + 10;
          }
        } else if (first === EVEN) {
          if (view.getInt32(key + 4, true) === T_TI && view.getInt32(key + 6, true) === TIME) {
            field = SEEN_TIME;
            keyEnd = key + 10;
          }
        } else if (first === URL_QUOTE) {
          field = SEEN_URL;
          keyEnd = key + 3;
        } else if ((first & 0xffffff) === IP_QUOTE) {
          field = SEEN_ADDRESS;
          keyEnd = key + 2;
        } else if (isBrokenDown) {
          if (first === METH && view.getInt32(key + 2, true) === THOD) {
            field = SEEN_METHOD;
            keyEnd = key + 6;
          } else if (first === STAT && view.getInt32(key + 2, true) === ATUS) {
            field = SEEN_STATUS;
            keyEnd = key + 6;
          }
        }
      } else {
        return false; // reading the words would leave the buffer: this affects the last record of a batch only
      }
      if (keyEnd < 0 || b[keyEnd] !== QUOTE) {
        field = OTHER;
        keyEnd = plainEnd(b, view, key, end);
        // An escaped key may spell a field's name.
        if (b[keyEnd] !== QUOTE) return false;
      }
      p = keyEnd + 1;
      if (b[p] !== 0x3a) {
        p = skipSpace(b, p, end);
        if (b[p] !== 0x3a) return false;
      }
      p++;
      if (b[p]! <= 0x20) p = skipSpace(b, p, end);
      if (p >= end) return false;
      if (field === OTHER) {
        if (b[p] === QUOTE) {
          p = stringEnd(b, view, p + 1, end);
          if (p < 0) return false;
          p++;
        } else {
          p = valueEnd(b, view, p, end);
          if (p < 0) return false;
        }
      } else {
        if ((seen & field) !== 0) return false;
        seen |= field;
        if (b[p] === QUOTE) {
          const from = p + 1;
          let to = plainEnd(b, view, from, end);
          if (b[to] !== QUOTE) {
            // An escape or a character beyond ASCII. Tokens are looked up undecoded, but these fields would have to be decoded.
            if ((field & READ_AS_BYTES) !== 0) return false;
            to = stringEnd(b, view, to, end);
            if (to < 0) return false;
          }
          if (field === SEEN_HOST) {
            hostStart = from;
            hostEnd = to;
          } else if (field === SEEN_REFERRER) {
            referrerStart = from;
            referrerEnd = to;
          } else if (field === SEEN_AGENT) {
            agentStart = from;
            agentEnd = to;
          } else if (field === SEEN_ADDRESS) {
            addressStart = from;
            addressEnd = to;
          } else if (field === SEEN_URL) {
            urlStart = from;
            urlEnd = to;
          } else if (field === SEEN_METHOD) {
            methodStart = from;
            methodEnd = to;
          } else if (field === SEEN_STATUS) {
            statusStart = from;
            statusEnd = to;
          } else {
            timeStart = from;
            timeEnd = to;
          }
          p = to + 1;
        } else {
          const from = p;
          p = valueEnd(b, view, p, end);
          if (p < 0) return false;
          if (field === SEEN_TIME) {
            timeStart = from;
            timeEnd = p;
          } else if (field === SEEN_STATUS) {
            statusStart = from;
            statusEnd = p;
          }
          // Any other field that is not text counts as missing: its range stays empty.
        }
      }
      if (b[p]! <= 0x20) p = skipSpace(b, p, end);
      if (p >= end) return false;
      const c = b[p];
      if (c === 0x7d) break;
      if (c !== 0x2c) return false;
    }
    if (p + 1 !== end && skipSpace(b, p + 1, end) !== end) return false;

    const eventTime = parseEventTimeBytes(b, timeStart, timeEnd, this.#version);
    if (eventTime !== eventTime) return false; // NaN
    const host = hostEnd > hostStart
      ? this.#hosts.idOfToken(b, view, hostStart, hostEnd)
      : this.#hostOfUrl(b, view, urlStart, urlEnd);
    const clientEnd = clientAddressEnd(b, addressStart, addressEnd, this.#trustedProxyHops);
    const clientStart = clientAddressStart(b, addressStart, clientEnd);
    if (isBrokenDown) {
      const noView = noViewOf(b, methodStart, methodEnd, statusStart, statusEnd);
      if (!this.#readUrl(b, urlStart, urlEnd, noView)) return false;
    }
    return this.#keep(eventTime, host, b, referrerStart, referrerEnd, agentStart, agentEnd, clientStart, clientEnd);
  }

  /** As {@link #readFast}, for events with mapped field names. */
  #readMapped(walk: MappedWalk, b: Uint8Array, start: number, end: number): boolean {
    const view = this.#view, { starts: from, ends: to } = walk;
    if (!walk.walk(b, view, start, end)) return false;
    const eventTime = parseEventTimeBytes(b, from[TIME_AT]!, to[TIME_AT]!, this.#version);
    if (eventTime !== eventTime) return false; // NaN
    const host = to[HOST_AT]! > from[HOST_AT]!
      ? this.#hosts.idOfToken(b, view, from[HOST_AT]!, to[HOST_AT]!)
      : this.#hostOfUrl(b, view, from[URL_AT]!, to[URL_AT]!);
    const clientEnd = clientAddressEnd(b, from[ADDRESS_AT]!, to[ADDRESS_AT]!, this.#trustedProxyHops);
    const clientStart = clientAddressStart(b, from[ADDRESS_AT]!, clientEnd);
    const referrerStart = from[REFERRER_AT]!, referrerEnd = to[REFERRER_AT]!;
    const agentStart = from[AGENT_AT]!, agentEnd = to[AGENT_AT]!;
    if (this.breakdown !== null) {
      const noView = noViewOf(b, from[METHOD_AT]!, to[METHOD_AT]!, from[STATUS_AT]!, to[STATUS_AT]!);
      if (!this.#readUrl(b, from[URL_AT]!, to[URL_AT]!, noView)) return false;
    }
    return this.#keep(eventTime, host, b, referrerStart, referrerEnd, agentStart, agentEnd, clientStart, clientEnd);
  }

  /** As {@link #readFast}, for lines of the common family. */
  #readCommon(line: CommonLine, b: Uint8Array, start: number, end: number): boolean {
    if (!line.find(b, this.#view, start, end)) return false;
    const { hostStart, hostEnd, referrerStart, referrerEnd, agentStart, agentEnd, addressStart, addressEnd } = line;
    const host = hostEnd > hostStart ? this.#hosts.idOfToken(b, this.#view, hostStart, hostEnd) : this.#defaultHost;
    // If the column is not a host, the host of the log counts.
    if (host < 0 || this.#hosts.text(host) === INVALID_HOST) return false;
    if (this.breakdown !== null) {
      line.findRequest(b);
      const noView = noViewOf(b, line.requestStart, line.methodEnd, line.statusStart, line.statusEnd);
      if (!this.#readUrl(b, line.urlStart, line.urlEnd, noView)) return false;
    }
    return this.#keep(
      line.eventTime,
      host,
      b,
      referrerStart,
      referrerEnd,
      agentStart,
      agentEnd,
      addressStart,
      addressEnd,
    );
  }

  /** Keeps page and campaign of the URL `b[start, end)`; false if the slow path has to decide. */
  #readUrl(b: Uint8Array, start: number, end: number, noView: number): boolean {
    return noView !== UNCERTAIN && this.breakdown!.readUrl(b, this.#view, start, end, noView);
  }

  /** Looks up the last fields of an event and keeps it. Positions as parameters, because an object per event would be garbage. */
  #keep(
    eventTime: number,
    host: number,
    b: Uint8Array,
    referrerStart: number,
    referrerEnd: number,
    agentStart: number,
    agentEnd: number,
    clientStart: number,
    clientEnd: number,
  ): boolean {
    if (host < 0) return false;
    const referrer = this.#referrers.idOfToken(b, this.#view, referrerStart, referrerEnd);
    if (referrer < 0) return false;
    const bot = this.#verdicts.ofToken(b, this.#view, agentStart, agentEnd);
    if (bot < 0) return false;
    this.eventTime = eventTime;
    this.host = host;
    this.referrer = referrer;
    this.bot = bot;
    this.place = this.#locator.locate(b, clientStart, clientEnd);
    this.breakdown?.readAgent(b, agentStart, agentEnd, clientStart, clientEnd);
    return true;
  }

  /** The id of the log's own host; -1 without one. */
  get #defaultHost(): number {
    if (this.#defaultHostId < 0 && this.#defaultHostText !== undefined) {
      this.#defaultHostId = this.#hosts.idOfText(this.#defaultHostText);
    }
    return this.#defaultHostId;
  }

  /** The host id of an event with a URL but no `host`; -1 if the slow path has to decide. */
  #hostOfUrl(b: Uint8Array, view: DataView, start: number, end: number): number {
    const authorityEnd = urlAuthorityEnd(b, start, end);
    if (authorityEnd < 0) return -1;
    const id = this.#urlHosts.idOfToken(b, view, start, authorityEnd);
    return id < 0 ? -1 : this.#hosts.idOfText(this.#urlHosts.text(id));
  }

  #readSlow(value: Uint8Array): ReadCode {
    this.slowReads++;
    const result = readEvent(value, this.#rules);
    if (result.kind === "dead") return readCode(result.reason);
    if (result.kind === "comment") return READ_COMMENT;
    const address = this.#encoder.encode(result.address);
    this.eventTime = result.eventTime;
    this.host = this.#hosts.idOfText(result.host);
    this.referrer = this.#referrers.idOfText(result.referrer);
    this.bot = result.bot ? 1 : 0;
    this.place = this.#locator.locate(address, 0, address.length);
    if (result.breakdown !== undefined) this.breakdown?.readTexts(result.breakdown, address);
    return READ_OK;
  }
}
