// Times the event readers and their parts on one core: `deno run -A bench/event_bench.ts [--events N] [--rounds N]`.
// Prints the best of the rounds in µs per event; contestants alternate within a round, so that a busy machine slows all alike.
import { isbot } from "isbot";
import { KEY_BYTES, sipKey } from "../src/breakdown/siphash.ts";
import { RULES_1, RULES_2 } from "../src/event/stream_rules.ts";
import { BotVerdicts } from "../src/event/bots.ts";
import { parseEventTime } from "../src/event/event_time.ts";
import { parseEventTimeBytes } from "../src/event/event_time_bytes.ts";
import { createEventReader } from "../src/event/fast_reader.ts";
import { ByteInterner } from "../src/event/intern.ts";
import { stringEnd, valueEnd } from "../src/event/json_scan.ts";
import { type EventRules, readEvent } from "../src/event/read_event.ts";
import { READ_OK } from "../src/event/types.ts";
import { type PlaceLocator, UNKNOWN_PLACE } from "../src/geo/port.ts";

const flag = (name: string, fallback: number) => {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(Deno.args[at + 1]);
};
const EVENTS = flag("events", 100_000);
const ROUNDS = flag("rounds", 7);

const RULES: EventRules = {
  stream: RULES_1,
  format: "json",
  referrerGranularity: "raw",
  keyBytesMax: 1024,
  trustedProxyHops: 0,
};
const stubLocator: PlaceLocator = {
  locate: () => 0,
  family: 0,
  words: new Uint32Array(4),
  place: () => UNKNOWN_PLACE,
  size: 1,
};

/** Events as the harness produces them, about 340 bytes each, back to back in one buffer as in a fetched batch. */
function generate(count: number): { bytes: Uint8Array; starts: Int32Array } {
  const agents = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
  ];
  const headers = ['{"accept":"text/html","accept-language":"en-US"}', '{"accept":"*/*","dnt":"1"}'];
  let state = 20261122;
  const below = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) ** 2 * n); // skewed towards 0
  };
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const host = `www.site-${String(below(200)).padStart(3, "0")}.example.com`;
    const referrer = below(100);
    lines.push(JSON.stringify({
      url: `https://${host}/p/${below(5000)}?q=${below(100)}`,
      referrer: referrer === 0 ? "" : `https://ref-${referrer}.example.net/campaign/${referrer * 7}`,
      user_agent: agents[below(4)],
      host,
      ip: `${below(200) + 1}.${below(256)}.${below(256)}.${below(256)}`,
      headers: headers[below(2)],
      event_time: new Date(1_780_000_000_000 + i * 13 - below(5000)).toISOString(),
    }));
  }
  const encoder = new TextEncoder();
  const bytes = encoder.encode(lines.join(""));
  const starts = new Int32Array(count + 1);
  for (let i = 0; i < count; i++) starts[i + 1] = starts[i]! + encoder.encode(lines[i]).length;
  return { bytes, starts };
}

const { bytes, starts } = generate(EVENTS);
const view = new DataView(bytes.buffer);
const decoder = new TextDecoder();
/** Bounds of one field's text in each event, so that a part can be timed alone. */
function fieldBounds(name: string): Int32Array {
  const bounds = new Int32Array(EVENTS * 2);
  for (let i = 0; i < EVENTS; i++) {
    const text = decoder.decode(bytes.subarray(starts[i]!, starts[i + 1]!));
    const at = text.indexOf(`"${name}":"`) + name.length + 4;
    bounds[i * 2] = starts[i]! + at;
    bounds[i * 2 + 1] = starts[i]! + text.indexOf('"', at);
  }
  return bounds;
}

const reader = createEventReader({ ...RULES, locator: stubLocator, hashSeed: 1 });
const reader2 = createEventReader({ ...RULES, stream: RULES_2, locator: stubLocator, hashSeed: 1 });
/** The same events under the names that they have, by way of a mapping. */
const mapped = createEventReader({
  ...RULES,
  stream: { ...RULES_2, fields: { referrer: ["headers", "Referer", 0] } },
  locator: stubLocator,
  hashSeed: 1,
});
/** With everything that is counted beside the rows; the visitor of each. */
const broken = createEventReader({ ...RULES, stream: RULES_2, breakdowns: 31, locator: stubLocator, hashSeed: 1 });
const salt = { id: "", key: sipKey(new Uint8Array(KEY_BYTES)), number: 1 };
const interner = new ByteInterner(1);
const verdicts = new BotVerdicts(1);
const hostBounds = fieldBounds("host"), agentBounds = fieldBounds("user_agent"), timeBounds = fieldBounds("event_time");
const times = Array.from(
  { length: EVENTS },
  (_, i) => decoder.decode(bytes.subarray(timeBounds[i * 2]!, timeBounds[i * 2 + 1]!)),
);
let sink = 0;

/** Each handles event `i`; slow ones look at every tenth. */
const contestants: Readonly<Record<string, { readonly step: number; readonly run: (i: number) => void }>> = {
  "fast reader": {
    step: 1,
    run: (i) => {
      if (reader.read(bytes, starts[i]!, starts[i + 1]!) !== READ_OK) throw new Error("dead");
    },
  },
  "fast reader, rules version 2": {
    step: 1,
    run: (i) => {
      if (reader2.read(bytes, starts[i]!, starts[i + 1]!) !== READ_OK) throw new Error("dead");
    },
  },
  "fast reader, a mapping": {
    step: 1,
    run: (i) => {
      if (mapped.read(bytes, starts[i]!, starts[i + 1]!) !== READ_OK) throw new Error("dead");
    },
  },
  "fast reader, breakdowns": {
    step: 1,
    run: (i) => {
      if (broken.read(bytes, starts[i]!, starts[i + 1]!) !== READ_OK) throw new Error("dead");
    },
  },
  "fast reader, breakdowns and visitors": {
    step: 1,
    run: (i) => {
      if (broken.read(bytes, starts[i]!, starts[i + 1]!) !== READ_OK) throw new Error("dead");
      sink += broken.breakdown!.visitor(salt);
    },
  },
  "slow reader": {
    step: 10,
    run: (i) => {
      sink += readEvent(bytes.subarray(starts[i]!, starts[i + 1]!), RULES).kind.length;
    },
  },
  "JSON.parse, isbot by Map, Date.parse": { step: 10, run: naive() },
  "part: walk values (valueEnd)": {
    step: 1,
    run: (i) => {
      sink += valueEnd(bytes, view, starts[i]!, starts[i + 1]!);
    },
  },
  "part: end of user agent (stringEnd)": {
    step: 1,
    run: (i) => {
      sink += stringEnd(bytes, view, agentBounds[i * 2]!, starts[i + 1]!);
    },
  },
  "part: intern host": {
    step: 1,
    run: (i) => {
      sink += interner.intern(bytes, view, hostBounds[i * 2]!, hostBounds[i * 2 + 1]!);
    },
  },
  "part: bot verdict, cached": {
    step: 1,
    run: (i) => {
      sink += verdicts.ofToken(bytes, view, agentBounds[i * 2]!, agentBounds[i * 2 + 1]!);
    },
  },
  "part: bot verdict, isbot": {
    step: 10,
    run: (i) => {
      sink += isbot(`${times[i]} Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0`) ? 1 : 0;
    },
  },
  "part: time from bytes": {
    step: 1,
    run: (i) => {
      sink += parseEventTimeBytes(bytes, timeBounds[i * 2]!, timeBounds[i * 2 + 1]!, 1);
    },
  },
  "part: time from text": {
    step: 10,
    run: (i) => {
      sink += parseEventTime(times[i])!;
    },
  },
};

function naive(): (i: number) => void {
  const known = new Map<string, boolean>();
  return (i) => {
    const event = JSON.parse(decoder.decode(bytes.subarray(starts[i]!, starts[i + 1]!)));
    let bot = known.get(event.user_agent);
    if (bot === undefined) known.set(event.user_agent, bot = isbot(event.user_agent));
    sink += Date.parse(event.event_time) + event.host.toLowerCase().length + event.referrer.length + (bot ? 1 : 0);
  };
}

const best = new Map<string, number>();
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, { step, run }] of Object.entries(contestants)) {
    const started = performance.now();
    for (let i = 0; i < EVENTS; i += step) run(i);
    const micros = (performance.now() - started) * 1000 / Math.ceil(EVENTS / step);
    best.set(name, Math.min(best.get(name) ?? Infinity, micros));
  }
}
const write = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
write(`${EVENTS} events, ${Math.round(bytes.length / EVENTS)} bytes each, best of ${ROUNDS} (check ${sink % 9973})`);
for (const [name, micros] of best) write(`${micros.toFixed(3).padStart(8)} µs  ${name}`);
