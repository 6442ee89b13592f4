// Seeded load: record n is a pure function of (plan, n), so that a failing run can be made again. No I/O.
import type { LoggedRecord } from "./oracle.ts";

/** What to generate. Event time runs from `startMs` over `spanMs`, whatever the speed of sending. */
export interface LoadPlan {
  readonly seed: number;
  readonly events: number;
  readonly partitions: number;
  /** Record time of record 0, epoch ms; the last one's is `startMs + spanMs`, which should not be in the future. */
  readonly startMs: number;
  readonly spanMs: number;
  /** Distinct hosts and referrers (default 40 and 400). */
  readonly hosts?: number;
  readonly referrers?: number;
  /** Records of this partition carry event times that are `fastMs` ahead of their record time. */
  readonly fastPartition?: { readonly partition: number; readonly fastMs: number };
  /** Requests of many kinds: pages in several spellings, files, methods, statuses, campaigns, and thousands of clients. Else all are alike. */
  readonly requests?: boolean;
}

/** One record to send. */
export type GeneratedRecord = Omit<LoggedRecord, "offset">;

const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/604.1",
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];
const ADDRESSES = [
  "8.8.8.8",
  "1.1.1.1",
  "193.0.6.139",
  "81.2.69.142",
  "203.178.141.194",
  "200.160.2.3",
  "196.216.2.6",
  "141.1.1.1",
  "10.1.2.3",
  "192.168.0.7",
  "not-an-address",
  "",
];
const utf8 = new TextEncoder();
const MINUTE = 60_000;

/** The records of the plan, in the order in which they are sent. */
export function generate(plan: LoadPlan, n: number): GeneratedRecord {
  const random = randomOf(plan.seed, n);
  const recordTime = Math.floor(plan.startMs + plan.spanMs * n / plan.events);
  // Uneven on purpose: the last partition gets half of what the others get, and pauses now and then.
  const partition = plan.partitions === 1 ? 0 : Math.floor(random() * (plan.partitions * 2 - 1) / 2);
  const kind = random();
  if (kind < 0.002) return { partition, recordTime, value: null };
  const lag = random();
  let time = recordTime;
  if (plan.fastPartition?.partition === partition) time += plan.fastPartition.fastMs;
  else if (lag < 0.8) time -= Math.floor(random() * 5_000);
  else if (lag < 0.96) time -= Math.floor(random() * MINUTE);
  else if (lag < 0.995) time -= Math.floor(random() * 15 * MINUTE);
  else time += Math.floor(random() * 4.5 * MINUTE); // a fast clock, within what is accepted
  if (kind < 0.004) time = recordTime + 6 * MINUTE + Math.floor(random() * MINUTE);
  const host = `www${zipf(random(), plan.hosts ?? 40)}.Example.com`;
  const page = Math.floor(random() * 1000);
  const referrerNumber = zipf(random(), plan.referrers ?? 400);
  const referrer = referrerNumber === 0
    ? random() < 0.5 ? "" : "-"
    : `https://ref${referrerNumber}.example.org/p?q=${referrerNumber}`;
  const ip = ADDRESSES[zipf(random(), ADDRESSES.length)]!;
  const agent = AGENTS[zipf(random(), AGENTS.length)]!;
  if (kind < 0.008) return { partition, recordTime, value: broken(random(), host, time) };
  const hostField = random() < 0.97 ? `"host":"${host}",` : "";
  const plain = { url: `https://${host}/page/${page}?session=${n}`, referrer, agent, ip, more: "" };
  const request = plan.requests ? requestOf(random, plain, { host, n }) : plain;
  const text = `{"url":"${request.url}",${hostField}"referrer":"${request.referrer}","user_agent":"${request.agent}",` +
    `"ip":"${request.ip}",${request.more}"headers":{"accept":"text/html","x-request-id":"${n}"},"event_time":${
      timeText(time, random())
    }}`;
  return { partition, recordTime, value: utf8.encode(text) };
}

/** Fields of a request, as they are written between the quotes of JSON. */
interface Request {
  readonly url: string;
  readonly referrer: string;
  readonly agent: string;
  readonly ip: string;
  /** Further fields, with a comma behind each. */
  readonly more: string;
}

/** Distinct pages: fewer than ten times BREAKDOWN_VALUES_MAX of any run, so that a host's values fold in its closing and not before. */
const PAGES = 400;
const OTHER_AGENTS = [
  "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
  "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
  "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
  "",
];
const CLIENTS = 4_000;
const STATUSES = [
  '"status":200,',
  '"status":"200",',
  '"status":304,',
  '"status":301,',
  '"status":"404",',
  '"status":"-",',
];

/** A request of its own kind, for the host and the record number. */
function requestOf(
  random: () => number,
  plain: Request,
  { host, n }: { readonly host: string; readonly n: number },
): Request {
  const page = zipf(random(), PAGES), spelling = random(), client = Math.floor(random() * CLIENTS);
  const path = spelling < 0.12 ? `/static/${page}.${["css", "JS", "png", "woff2"][page % 4]}` : pageAs(page, spelling);
  const campaign = random() < 0.1
    ? `utm_source=news${page % 3}&utm_medium=e+mail&${page % 2 ? "utm_campaign" : "utm%5Fcampaign"}=spring%20sale&`
    : "";
  const url = `${random() < 0.8 ? `https://${host}` : ""}${path}?${campaign}session=${n}${
    random() < 0.1 ? "#top" : ""
  }`;
  const from = random();
  const method = random(), status = random();
  return {
    url: random() < 0.05 ? url.replaceAll("/", "\\/") : url,
    referrer: from < 0.1
      ? "https://www.google.com/"
      : from < 0.15
      ? "https://t.co/x"
      : from < 0.25
      ? `https://${host.toLowerCase()}/start`
      : plain.referrer,
    agent: random() < 0.4 ? OTHER_AGENTS[Math.floor(random() * OTHER_AGENTS.length)]! : plain.agent,
    ip: client % 10 === 0
      ? `fd00::${(client + 1).toString(16)}`
      : client % 2
      ? `10.0.${client >> 8}.${client & 255}`
      : plain.ip,
    more: (method < 0.04 ? '"method":"POST",' : method < 0.6 ? '"method":"GET",' : "") +
      (status < 0.3 ? STATUSES[Math.floor(status / 0.3 * STATUSES.length)]! : ""),
  };
}

/** One page, as links and scripts write it. */
function pageAs(page: number, spelling: number): string {
  const name = page % 7 === 0 ? (spelling < 0.5 ? "caf\u00e9" : "caf%c3%a9") : spelling < 0.2 ? "%70age" : "page";
  if (spelling < 0.3) return `/${name}/${page}/`;
  if (spelling < 0.35) return `//${name}/./${page}`;
  if (spelling < 0.4) return `/x/../${name}/${page}`;
  return `/${name}/${page}`;
}

/** The same instant in one of the accepted forms; a form without milliseconds cuts them. */
function timeText(time: number, choice: number): string {
  const iso = new Date(time).toISOString();
  if (choice < 0.5) return `"${iso}"`;
  if (choice < 0.6) return `"${new Date(time + 2 * 60 * MINUTE).toISOString().slice(0, -1)}+02:00"`;
  if (choice < 0.7) return `"${iso.slice(0, -1)}9999"`;
  if (choice < 0.8) return String(time);
  if (choice < 0.9) return `"${time}"`;
  return String(Math.floor(time / 1000));
}

/** A value for each way in which a record can be dead. The large one is rare: it is a megabyte. */
function broken(choice: number, host: string, time: number): Uint8Array {
  if (choice < 0.0005) return utf8.encode(`{"event_time":${time},"host":"${host}","url":"${"x".repeat(1_100_000)}"}`);
  if (choice < 0.2) return Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d);
  if (choice < 0.4) return utf8.encode(`{"host":"${host}","event_time":`);
  if (choice < 0.5) return utf8.encode(`["${host}"]`);
  if (choice < 0.7) return utf8.encode(`{"host":"${host}","event_time":"yesterday"}`);
  if (choice < 0.8) return utf8.encode(`{"host":"${host}"}`);
  return utf8.encode(`{"url":"/relative","event_time":${time}}`);
}

/** A number in [0, count), small ones far more often: an approximation of Zipf's law by inverse transform with exponent 1. */
function zipf(random: number, count: number): number {
  return Math.min(count - 1, Math.floor(Math.exp(random * Math.log(count + 1)) - 1));
}

/** A generator of numbers in [0, 1) for record n: mulberry32 (Tommy Ettinger, public domain) over a mixed seed. */
function randomOf(seed: number, n: number): () => number {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(n + 1, 0xc2b2ae35);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Uniform numbers in [0, 1) from a seed, for harness decisions such as when to kill. */
export const randomStream = (seed: number): () => number => randomOf(seed, 0x5eed);
