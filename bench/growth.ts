// How the engine's cost per event grows along four axes: keys a window, partitions, bytes an event, open windows.
//   deno task bench growth [--events 200000] [--rounds 3] [--json FILE]
// No broker and no database: bytes of a fetch to a frozen payload, in CPU-µs per event (median of the rounds). Closing a window is measured
// by bench/close_window.ts. Slope: the exponent e in cost ~ size^e between the ends of an axis; total cost of a log is linear where e <= 0
// for keys, partitions and windows, and where e <= 1 for bytes.
import { cpuMicros, EnginePath } from "./engine_path.ts";
import { median, numberFlag, textFlag, write } from "./support.ts";
import { Traffic, type TrafficPlan } from "./traffic.ts";

const EVENTS = numberFlag("events", 200_000);
const ROUNDS = numberFlag("rounds", 3);
const JSON_FILE = textFlag("json");
/** Generated at once: bounds the memory of the benchmark itself. */
const SLICE = 50_000;

const BASE: TrafficPlan = { seed: 1, partitions: 4, keys: 50_000, valueBytes: 340, windows: 2 };
const AXES: readonly { readonly axis: string; readonly field: keyof TrafficPlan; readonly sizes: readonly number[] }[] =
  [
    { axis: "keys a window", field: "keys", sizes: [1_000, 10_000, 100_000, 1_000_000] },
    { axis: "partitions", field: "partitions", sizes: [1, 4, 16, 48] },
    { axis: "bytes an event", field: "valueBytes", sizes: [150, 340, 600, 1_000] },
    { axis: "open windows", field: "windows", sizes: [1, 2, 6, 12] },
  ];

interface Point {
  readonly axis: string;
  readonly size: number;
  readonly microsPerEvent: number;
  /** Keys written per event: what the database sees. */
  readonly keysPerEvent: number;
}

/** One run over fresh tables; the first slice only warms up. */
async function measure(plan: TrafficPlan): Promise<{ micros: number; keysPerEvent: number }> {
  const traffic = new Traffic(plan);
  const engine = new EnginePath(plan);
  engine.count(traffic.slice(SLICE));
  engine.freeze();
  const warm = engine.keys;
  let micros = 0;
  for (let done = 0; done < EVENTS; done += SLICE) {
    const slice = traffic.slice(SLICE);
    micros += await cpuMicros(() => engine.count(slice));
  }
  micros += await cpuMicros(() => engine.freeze());
  if (engine.counted !== EVENTS + SLICE) throw new Error(`counted ${engine.counted} of ${EVENTS + SLICE}`);
  return { micros: micros / EVENTS, keysPerEvent: (engine.keys - warm) / EVENTS };
}

const points: Point[] = [];
for (const { axis, field, sizes } of AXES) {
  const runs = sizes.map(() => [] as { micros: number; keysPerEvent: number }[]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, size] of sizes.entries()) runs[i]!.push(await measure({ ...BASE, [field]: size }));
  }
  for (const [i, size] of sizes.entries()) {
    points.push({
      axis,
      size,
      microsPerEvent: median(runs[i]!.map(({ micros }) => micros)),
      keysPerEvent: median(runs[i]!.map(({ keysPerEvent }) => keysPerEvent)),
    });
  }
}

write(`| axis | ${"size | CPU-µs per event | keys written per event |"}`);
write("|---|---|---|---|");
for (const { axis, size, microsPerEvent, keysPerEvent } of points) {
  write(`| ${axis} | ${size.toLocaleString("en")} | ${microsPerEvent.toFixed(2)} | ${keysPerEvent.toFixed(2)} |`);
}
write("");
for (const { axis } of AXES) {
  const line = points.filter((point) => point.axis === axis), first = line[0]!, last = line.at(-1)!;
  const slope = Math.log(last.microsPerEvent / first.microsPerEvent) / Math.log(last.size / first.size);
  write(`${axis}: ${first.size.toLocaleString("en")} to ${last.size.toLocaleString("en")}, slope ${slope.toFixed(2)}`);
}
if (JSON_FILE !== undefined) await Deno.writeTextFile(JSON_FILE, JSON.stringify(points));
