// Log files beside GoAccess: one combined log, read by both in the same run, plain and gzip; CPU-seconds and most memory. Starts processes.
// Usage: deno task bench files [--lines 1000000] [--geo country.mmdb]. BENCH_POSTGRES_URL in the environment adds a run into that server,
// whose own CPU time is not in the figure.
import { createEventReader } from "../src/event/fast_reader.ts";
import { RULES_2 } from "../src/event/stream_rules.ts";
import { createPlaceLocator } from "../src/geo/place_locator.ts";
import { openContent } from "../src/source/file/content.ts";
import { LineReader } from "../src/source/file/line_reader.ts";
import { offset } from "../src/shared/units.ts";
import { cpuSeconds, numberFlag, peakMemoryMib, seeded, textFlag, treeCpuSeconds, write } from "./support.ts";

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];
const WRITE_LINES = 20_000;
const LOOK_MS = 50;

/** Writes `lines` combined lines of four days: 40,000 addresses, 2,000 pages, 300 referrers. */
async function makeLog(path: string, lines: number): Promise<void> {
  const random = seeded(7), below = (n: number) => Math.floor(random() * n);
  const file = await Deno.open(path, { create: true, write: true, truncate: true });
  const start = Date.UTC(2026, 2, 1), step = 4 * 86_400_000 / lines;
  for (let i = 0; i < lines;) {
    let text = "";
    for (const end = Math.min(lines, i + WRITE_LINES); i < end; i++) {
      const time = new Date(start + i * step);
      const day = `${String(time.getUTCDate()).padStart(2, "0")}/${
        MONTHS[time.getUTCMonth()]
      }/${time.getUTCFullYear()}`;
      const address = 16_777_216 + below(40_000) * 92_821;
      const ip = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
      const referrer = below(3) === 0 ? "-" : `https://site${below(300)}.example/page/${below(20)}`;
      text += `${ip} - - [${day}:${time.toISOString().slice(11, 19)} +0000] "GET /page/${
        below(2000)
      }?session=${i} HTTP/1.1" 200 ${below(60_000)} "${referrer}" "${AGENTS[below(AGENTS.length)]}"\n`;
    }
    await file.write(new TextEncoder().encode(text));
  }
  file.close();
}

interface Cost {
  readonly cpu: number;
  readonly seconds: number;
  /** MiB. */
  readonly memory: number;
}

/** Runs a program to its end; what it took up to the last look. */
async function costOf(command: string, args: readonly string[]): Promise<Cost> {
  const began = performance.now();
  const child = new Deno.Command(command, { args: [...args], stdout: "null", stderr: "piped" }).spawn();
  let cpu = 0, memory = 0;
  const timer = setInterval(() => {
    try {
      cpu = Math.max(cpu, treeCpuSeconds(child.pid));
      memory = Math.max(memory, peakMemoryMib(child.pid) || 0); // a process that has just ended has none
    } catch {
      // It has ended.
    }
  }, LOOK_MS);
  const { success, stderr } = await child.output();
  clearInterval(timer);
  if (!success) throw new Error(`${command} failed:\n${new TextDecoder().decode(stderr).slice(-2000)}`);
  return { cpu, memory, seconds: (performance.now() - began) / 1000 };
}

/** Reads the file as the engine does, without counting: lines to events. */
async function readAlone(path: string): Promise<Cost & { readonly events: number }> {
  const reader = createEventReader({
    stream: RULES_2,
    format: "lines",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops: 0,
    defaultHost: "www.example.com",
    locator: createPlaceLocator({ v4: null, v6: null }),
    hashSeed: 1,
  });
  const began = performance.now(), before = cpuSeconds(Deno.pid);
  const lines = new LineReader(await openContent(path, 0), { byte: 0, origin: 0 });
  let events = 0;
  for (;;) {
    const { run, atEnd } = await lines.read(0);
    run?.walk(offset(0), (bytes, start, end) => {
      if (reader.read(bytes, start, end) === 0) events++;
    });
    if (atEnd) break;
  }
  await lines.close();
  return {
    events,
    cpu: cpuSeconds(Deno.pid) - before,
    seconds: (performance.now() - began) / 1000,
    memory: peakMemoryMib(Deno.pid),
  };
}

const count = numberFlag("lines", 1_000_000);
const folder = await Deno.makeTempDir({ prefix: "tidemark_bench_files_" });
try {
  const log = `${folder}/access.log`, packed = `${folder}/packed.log.gz`;
  await makeLog(log, count);
  const gzip = await new Deno.Command("sh", { args: ["-c", `gzip -1 -c ${log} > ${packed}`] }).output();
  if (!gzip.success) throw new Error("gzip failed");
  const { size } = await Deno.stat(log), { size: packedSize } = await Deno.stat(packed);
  write(
    `${count} combined lines, ${(size / 2 ** 20).toFixed(0)} MiB, ${(packedSize / 2 ** 20).toFixed(0)} MiB as gzip`,
  );
  const [load] = Deno.loadavg(), cores = navigator.hardwareConcurrency;
  write(`${cores} cores, load ${load!.toFixed(1)} at the start\n`);
  write("| what                                   | CPU-s | CPU-s per million | seconds | memory at most |");
  write("| -------------------------------------- | ----- | ----------------- | ------- | -------------- |");
  const row = (what: string, { cpu, seconds, memory }: Cost) =>
    write(
      `| ${what.padEnd(38)} | ${cpu.toFixed(1).padStart(5)} | ${(cpu / count * 1e6).toFixed(2).padStart(17)} | ${
        seconds.toFixed(1).padStart(7)
      } | ${`${memory.toFixed(0)} MiB`.padStart(14)} |`,
    );
  const alone = await readAlone(log);
  if (alone.events !== count) throw new Error(`${alone.events} events of ${count} lines`);
  row("Tidemark: file to events, no counting", alone);
  row("Tidemark: the same, gzip", await readAlone(packed));
  const goaccess = ["--log-format=COMBINED", "--no-global-config", "--output", `${folder}/report.json`];
  row("GoAccess", await costOf("goaccess", [log, ...goaccess]));
  row("GoAccess, gzip by a pipe", await costOf("sh", ["-c", `zcat ${packed} | goaccess - ${goaccess.join(" ")}`]));
  const main = new URL("../src/main.ts", import.meta.url).pathname;
  const run = (path: string, data: string, more: readonly string[] = []) =>
    costOf(Deno.execPath(), [
      "run",
      "-A",
      "--no-check",
      main,
      ...["run", "--once", "--source", "file", "--file-path", path, "--host", "www.example.com"],
      ...["--data-dir", `${folder}/${data}`, ...more],
    ]);
  const geo = textFlag("geo");
  const places = geo === undefined ? [] : ["--geo-database", geo];
  row("Tidemark: run --once, embedded", await run(log, "plain", places));
  row("Tidemark: run --once, embedded, gzip", await run(packed, "packed", places));
  const server = Deno.env.get("BENCH_POSTGRES_URL");
  if (server !== undefined) {
    row("Tidemark: run --once into PostgreSQL", await run(log, "server", ["--postgres-url", server, ...places]));
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
