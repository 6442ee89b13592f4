// `deno task bench NAME [arguments]`: runs one measurement. Without a name it lists them. Starts processes.

/** Measurements by name; each file says in its first lines what it measures and which arguments it takes. */
const BENCHES: Readonly<Record<string, readonly [what: string, file: string]>> = {
  peers: ["the same job by Tidemark and its rivals while draining a backlog", "bench/peers/run.sh"],
  live: ["the same job at live rates: service, database and broker; silence", "bench/live.sh"],
  latency: ["from an event to its row, live and while draining; start and API", "bench/latency.ts"],
  growth: ["how cost grows with keys, windows, partitions and sizes", "bench/growth.ts"],
  close: ["one window's commits, compaction and closing in PostgreSQL", "bench/close_window.ts"],
  scaling: ["one to three processes, one to four engines", "bench/scaling.ts"],
  storage: [
    "bytes, write-ahead log and processor time of PostgreSQL per event, row and commit",
    "bench/scaling_storage.ts",
  ],
  files: ["a log file beside GoAccess: CPU time and memory", "bench/files.ts"],
  goaccess: ["a log of yours through GoAccess: hits by page, browser and system", "bench/goaccess.ts"],
  event: ["the readers of events, in microseconds", "bench/event_bench.ts"],
  engine: ["the engine's path without a broker", "bench/engine_path.ts"],
  clients: ["Kafka clients, from the broker to each record's bytes", "bench/kafka_clients.ts"],
  geo: ["address to place", "bench/geo_bench.ts"],
  forecast: ["the forecast on series of your own", "bench/forecast.ts"],
  reports: ["statements of the reports over many rows", "bench/reports/statements.ts"],
  pages: ["the dashboard over many rows, with and without filters", "bench/reports/pages.ts"],
  "old-stack": ["what the replaced stack takes while idle", "bench/old_stack.ts"],
  report: ["all of them again, written into docs/performance.md", "bench/write_report.ts"],
};

const [name, ...args] = Deno.args;
const bench = name === undefined ? undefined : BENCHES[name];
if (bench === undefined) {
  const width = Math.max(...Object.keys(BENCHES).map((known) => known.length));
  const list = Object.entries(BENCHES).map(([known, [what]]) => `  ${known.padEnd(width)}  ${what}\n`).join("");
  Deno.stdout.writeSync(new TextEncoder().encode(`Usage: deno task bench NAME [arguments]\n\n${list}`));
  Deno.exit(name === undefined ? 0 : 2);
}
const [, file] = bench;
const command = file.endsWith(".sh")
  ? new Deno.Command("bash", { args: [file, ...args] })
  : new Deno.Command(Deno.execPath(), { args: ["run", "-A", file, ...args] });
Deno.exit((await command.spawn().status).code);
