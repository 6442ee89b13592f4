// What placing an address costs, against the library alone, and the memory of the files. By hand, not a test.
//   deno run -A bench/geo_bench.ts [DATA_DIR] [--v6]
// Without a data folder that holds the installed city database the bundled country database is measured.
import { Reader, type Response } from "maxmind";
import { Buffer } from "node:buffer";
import process from "node:process";
import { formatV4, formatV6 } from "../src/geo/address.ts";
import { embeddedV4, isSpecialV4, isSpecialV6 } from "../src/geo/address_class.ts";
import { readBundled } from "../src/geo/install/bundled_npm.ts";
import { installedPaths, openGeoFiles } from "../src/geo/geo_files.ts";
import { placeOf } from "../src/geo/mmdb/schema.ts";
import { createPlaceLocator } from "../src/geo/place_locator.ts";
import { UNKNOWN_PLACE } from "../src/geo/port.ts";
import { silentLog } from "../src/shared/log.ts";

const DISTINCT = 100_000, EVENTS = 2_000_000, COMPARED = 200_000;
const withV6 = Deno.args.includes("--v6");
const dataDir = Deno.args.find((arg) => !arg.startsWith("--")) ?? ".tidemark";
const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
/** CPU time of all threads: on a machine with other work the clock on the wall measures the others. */
const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const status = (name: string) => {
  const line = Deno.readTextFileSync("/proc/self/status").split("\n").find((text) => text.startsWith(name));
  return `${(Number(line?.match(/\d+/)?.[0]) / 1024).toFixed(0)} MiB`;
};
const memory = (when: string) => print(`${when}: RSS ${status("VmRSS")}, peak ${status("VmHWM")}`);

let seed = 20261122;
const random = () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
const word = () => Math.floor(random() * 2 ** 32);
const publicV4 = () => {
  for (;;) {
    const address = word();
    if (!isSpecialV4(address)) return address;
  }
};
const publicV6 = () => {
  for (;;) {
    // The first 16 bits that are in use by the registries, the next 32 at random, as networks are given out there.
    const words = Uint32Array.of(0x2400_0000 | (word() >>> 6), word(), word(), word());
    words[0] = [0x2001, 0x2400, 0x2600, 0x2804, 0x2a00, 0x2c0f][word() % 6]! * 65536 + (words[0]! & 0xffff);
    if (!isSpecialV6(words) && embeddedV4(words) < 0) return words;
  }
};

memory("start");
const began = cpuMs();
const files = await openGeoFiles({ paths: [], dataDir, log: silentLog });
print(
  `opened in ${(cpuMs() - began).toFixed(0)} ms: ${
    files.state().files.map((f) => `${f.name} (${f.sizeBytes} B)`).join(", ")
  }`,
);
memory("opened");

const encoder = new TextEncoder();
// One buffer, as records arrive: a hundred thousand small arrays would measure the garbage collector's layout.
const ADDRESS_BYTES = 16;
const pool = new Uint8Array(ADDRESS_BYTES * DISTINCT), lengths = new Uint8Array(DISTINCT);
for (let i = 0; i < DISTINCT; i++) {
  lengths[i] = encoder.encodeInto(formatV4(publicV4()), pool.subarray(i * ADDRESS_BYTES)).written;
}
const cumulative = new Float64Array(DISTINCT);
let sum = 0;
for (let i = 0; i < DISTINCT; i++) cumulative[i] = sum += 1 / (i + 1);
const draws = new Uint32Array(EVENTS);
for (let i = 0; i < EVENTS; i++) {
  const wanted = random() * sum;
  let low = 0, high = DISTINCT - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cumulative[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  draws[i] = low;
}
memory("addresses made");

const { locator } = files;
for (let round = 1; round <= 3; round++) {
  const walkedBefore = locator.walked, start = cpuMs();
  let check = 0;
  for (let i = 0; i < EVENTS; i++) {
    const start = draws[i]! * ADDRESS_BYTES;
    check += locator.locate(pool, start, start + lengths[draws[i]!]!);
  }
  const each = (cpuMs() - start) * 1000 / EVENTS;
  print(
    `Zipf over ${DISTINCT}, round ${round}: ${each.toFixed(3)} µs an event, ${
      (100 * (1 - (locator.walked - walkedBefore) / EVENTS)).toFixed(1)
    } % from the cache (${check % 10})`,
  );
}
memory("Zipf");

const uniform = Array.from({ length: COMPARED }, () => encoder.encode(formatV4(publicV4())));
let start = cpuMs();
for (const bytes of uniform) locator.locate(bytes, 0, bytes.length);
print(`uniform, each once: ${((cpuMs() - start) * 1000 / COMPARED).toFixed(3)} µs, ${locator.size} places`);

const paths = installedPaths(dataDir);
const open = async (path: string) => {
  const bundled = await readBundled();
  const bytes = files.state().origin === "installed"
    ? await Deno.readFile(path)
    : "bytes" in bundled
    ? bundled.bytes
    : null;
  if (bytes === null) throw new Error("no database");
  return new Reader<Response>(Buffer.from(bytes.buffer));
};
const reader = await open(paths[0]);
const texts = uniform.map((bytes) => new TextDecoder().decode(bytes));
start = cpuMs();
for (const text of texts) reader.get(text);
print(`the library alone, uniform: ${((cpuMs() - start) * 1000 / COMPARED).toFixed(3)} µs`);
let different = 0, unknown = 0;
const compare = (bytes: Uint8Array, record: unknown) => {
  const place = locator.place(locator.locate(bytes, 0, bytes.length));
  const expected = placeOf(record);
  if (place.countryCode !== expected.countryCode || place.region !== expected.region || place.city !== expected.city) {
    different++;
  }
  if (place === UNKNOWN_PLACE) unknown++;
};
texts.forEach((text, i) => compare(uniform[i]!, reader.get(text)));
print(`compared ${COMPARED} IPv4: ${different} different, ${unknown} unknown`);

if (withV6) {
  memory("before IPv6");
  const addresses = Array.from({ length: COMPARED }, () => formatV6(publicV6()));
  const bytes = addresses.map((text) => encoder.encode(text));
  start = cpuMs();
  locator.locate(bytes[0]!, 0, bytes[0]!.length);
  print(`first IPv6 address: ${(cpuMs() - start).toFixed(1)} ms`);
  memory("after the first IPv6 address");
  start = cpuMs();
  for (const address of bytes) locator.locate(address, 0, address.length);
  print(`IPv6, each once: ${((cpuMs() - start) * 1000 / COMPARED).toFixed(3)} µs`);
  const reader6 = await open(paths[1]);
  different = unknown = 0;
  addresses.forEach((text, i) => compare(bytes[i]!, reader6.get(text)));
  print(`compared ${COMPARED} IPv6: ${different} different, ${unknown} unknown`);
}
print(`ids: ${createPlaceLocator({ v4: null, v6: null }).size} without a database, ${locator.size} now`);
