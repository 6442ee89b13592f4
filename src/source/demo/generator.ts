// Makes the demo's records: record n of a shard depends on (seed, shard, anchor, rate, n) only. No I/O.
//
// A record takes about a microsecond: it is assembled in one buffer from encoded pieces, without strings.
import { type EpochMs, MINUTE, type Offset, SECOND } from "../../shared/units.ts";
import { DEMO_CITIES } from "./places.ts";
import { mix, numberAt, sequenceKey, weightedTable } from "./random.ts";
import { DemoTimeline, type TimelineOptions } from "./timeline.ts";
import { DEMO_BOT_SHARE, DEMO_BOTS, DEMO_BROWSERS, DEMO_HEADERS, DEMO_REFERRERS, DEMO_SITES } from "./vocabulary.ts";
import { LINE_BYTES_MAX } from "../lines.ts";
import type { RecordRun, RecordVisitor } from "../port.ts";

/** Broken records in 65,536, by fault, added up. Values over 1 MiB are rarer: see `HUGE_OF_2_32`. */
const BAD_JSON = 30;
const BAD_ENCODING = BAD_JSON + 15;
const BAD_TIME = BAD_ENCODING + 30;
const NO_HOST = BAD_TIME + 15;
const FUTURE = NO_HOST + 10;
/** One in 65,536. */
const HUGE_OF_2_32 = 65_536;
/** In 4096: one visitor in fourteen uses IPv6 if the city has it, one in a hundred a private address. */
const IPV6_OF_4096 = 290;
const PRIVATE_OF_4096 = 41;

const encoder = new TextEncoder();
const piece = (text: string) => encoder.encode(text);
const BOT_SLOTS = Math.round(DEMO_BOT_SHARE * 4096);

const PAGES = DEMO_SITES.flatMap(({ host, weight, paths }) =>
  paths.map((path, rank) => ({
    // Zipf within a site: the second path gets half of the first one's visits.
    weight: weight / (rank + 1) / paths.reduce((sum, _, i) => sum + 1 / (i + 1), 0),
    bytes: piece(`{"url":"https://${host}${path}","host":"${host}","referrer":"`),
  }))
);
const PAGE_TABLE = weightedTable(PAGES.map((page) => page.weight), 4096);
const REFERRERS = DEMO_REFERRERS.map(([referrer]) => piece(`${referrer}","user_agent":"`));
const REFERRER_TABLE = weightedTable(DEMO_REFERRERS.map(([, weight]) => weight), 4096);
const BROWSERS = DEMO_BROWSERS.map(([agent]) => piece(`${agent}","ip":"`));
const BROWSER_TABLE = weightedTable(DEMO_BROWSERS.map(([, weight]) => weight), 1024);
const BOTS = DEMO_BOTS.map(([agent]) => piece(`${agent}","ip":"`));
const BOT_TABLE = weightedTable(DEMO_BOTS.map(([, weight]) => weight), 1024);
const HEADERS = DEMO_HEADERS.map(([headers]) => piece(`","headers":"${headers}","event_time":"`));
const HEADER_TABLE = weightedTable(DEMO_HEADERS.map(([, weight]) => weight), 256);
const V4 = DEMO_CITIES.map(({ v4 }) => v4.map((prefix) => piece(`${prefix}.`)));
const V6 = DEMO_CITIES.map(({ v6 }) => v6 === undefined ? null : piece(`${v6}::`));
/** For each hour UTC: cities by weight and by the share of their people who are awake. */
const CITY_TABLES = Array.from(
  { length: 24 },
  (_, hour) => weightedTable(DEMO_CITIES.map((city) => city.weight * awake(hour + city.utcOffset)), 4096),
);
const NO_HOST_PAGE = piece('{"url":"/","host":"","referrer":"');
const PRIVATE_V4 = piece("10.20.30.");
const BAD_TIME_TEXT = piece('2026-02-30T25:61:00Z"}');
const END = piece('Z"}');
const HUGE = piece(`{"url":"https://www.example.com/${"x".repeat(LINE_BYTES_MAX)}"}`);

/** Delays of events: share of records, least and most delay in ms. */
const DELAYS: readonly (readonly [share: number, from: number, to: number])[] = [
  [0.84, 0, 900],
  [0.145, 0.9 * SECOND, 5 * SECOND],
  [0.012, 5 * SECOND, 50 * SECOND],
  // Longer than a watermark delay of one minute: some of these arrive after their window was closed.
  [0.003, 2 * MINUTE, 30 * MINUTE],
];

/** One shard's records. */
export class DemoGenerator {
  readonly timeline: DemoTimeline;
  readonly #key: number;
  readonly #buffer = new Uint8Array(2048);
  #end = 0;
  #day = NaN;
  readonly #dayText = new Uint8Array(11);

  constructor(options: TimelineOptions) {
    this.timeline = new DemoTimeline(options);
    this.#key = sequenceKey(options.seed, options.shard, options.anchor, 3);
  }

  /** Records `[from, to)`, generated during the walk. */
  run(from: Offset, to: Offset): RecordRun {
    return {
      walk: (start, visit) => {
        for (let n = Math.max(from, start); n < to; n++) this.#visit(n, visit);
      },
    };
  }

  #visit(n: number, visit: RecordVisitor): void {
    const arrival = this.timeline.timeOf(n);
    const first = numberAt(this.#key, n);
    if (first < HUGE_OF_2_32) return visit(HUGE, 0, HUGE.length, n, arrival);
    const second = mix(first + 0x9e3779b9);
    const third = mix(second + 0x9e3779b9);
    const fault = third & 0xffff;
    const delay = fault >= NO_HOST && fault < FUTURE
      ? -(6 * MINUTE + (first >>> 10))
      : delayOf(mix(third + 0x9e3779b9));
    this.#write(arrival, arrival - delay, { first, second, third, fault });
    visit(this.#buffer, 0, this.#end, n, arrival);
  }

  #write(
    arrival: EpochMs,
    time: number,
    { first, second, third, fault }: { first: number; second: number; third: number; fault: number },
  ): void {
    this.#end = 0;
    const isBot = (first & 4095) < BOT_SLOTS;
    const noHost = fault >= BAD_TIME && fault < NO_HOST;
    this.#add(noHost ? NO_HOST_PAGE : PAGES[PAGE_TABLE[(first >>> 12) & 4095]!]!.bytes);
    this.#add(isBot ? REFERRERS[0]! : REFERRERS[REFERRER_TABLE[second & 4095]!]!);
    const agent = (second >>> 12) & 1023;
    this.#add(isBot ? BOTS[BOT_TABLE[agent]!]! : BROWSERS[BROWSER_TABLE[agent]!]!);
    this.#address(arrival, third >>> 16, mix(second));
    this.#add(HEADERS[HEADER_TABLE[second >>> 24]!]!);
    if (fault < BAD_JSON) {
      this.#end -= 1 + (first & 63);
    } else if (fault < BAD_ENCODING) {
      this.#buffer[this.#end - 30] = 0xe9;
      this.#time(time);
    } else if (fault < BAD_TIME) {
      this.#add(BAD_TIME_TEXT);
    } else {
      this.#time(time);
    }
  }

  /** An address of a city by the hour of the arrival. */
  #address(arrival: EpochMs, kind: number, draw: number): void {
    const hour = Math.floor(arrival / 3_600_000) % 24;
    const city = CITY_TABLES[hour]![draw & 4095]!;
    const host = 1 + (draw >>> 12) % 254;
    const v6 = V6[city];
    if ((kind & 4095) < PRIVATE_OF_4096) {
      this.#add(PRIVATE_V4);
    } else if (v6 && (kind & 4095) < PRIVATE_OF_4096 + IPV6_OF_4096) {
      this.#add(v6);
    } else {
      const blocks = V4[city]!;
      this.#add(blocks[(draw >>> 20) % blocks.length]!);
    }
    this.#number(host, host >= 100 ? 3 : host >= 10 ? 2 : 1);
  }

  /** `2026-01-01T00:00:00.000Z"}`; the text of the date is kept between records. */
  #time(time: number): void {
    const day = Math.floor(time / 86_400_000);
    if (day !== this.#day) {
      this.#day = day;
      this.#dayText.set(piece(new Date(day * 86_400_000).toISOString().slice(0, 11)));
    }
    this.#add(this.#dayText);
    const ms = time - day * 86_400_000;
    const seconds = Math.floor(ms / 1000);
    this.#number(Math.floor(seconds / 3600), 2);
    this.#buffer[this.#end++] = 0x3a;
    this.#number(Math.floor(seconds / 60) % 60, 2);
    this.#buffer[this.#end++] = 0x3a;
    this.#number(seconds % 60, 2);
    this.#buffer[this.#end++] = 0x2e;
    this.#number(ms % 1000, 3);
    this.#add(END);
  }

  #number(value: number, digits: number): void {
    for (let at = this.#end + digits - 1, rest = value; at >= this.#end; at--) {
      this.#buffer[at] = 0x30 + rest % 10;
      rest = Math.floor(rest / 10);
    }
    this.#end += digits;
  }

  #add(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }
}

/** Delay in whole ms from 32 random bits; within each range short delays are more likely. */
function delayOf(draw: number): number {
  let share = draw / 2 ** 32;
  for (const [part, from, to] of DELAYS) {
    if (share < part) return Math.floor(from + (to - from) * (share / part) ** 2);
    share -= part;
  }
  return 0;
}

/** Share of people awake at a local hour, from 0.1 to about 1. The hour may be outside 0 to 24. */
function awake(hour: number): number {
  const near = (peak: number, width: number) => {
    const distance = Math.abs(((hour - peak) % 24 + 36) % 24 - 12);
    return Math.exp(-(distance * distance) / width);
  };
  return 0.1 + 0.6 * near(11, 18) + 0.9 * near(20, 12);
}
