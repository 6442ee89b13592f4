// `deno task simulate [--seeds N] [--from S] [--workers W]`: plays any number of histories, shows progress, ends with counts. Exit code 1 where
// one failed. Shell: reads arguments, starts workers, writes to the terminal.
import { addTotals, noTotals, type Totals } from "./seeds.ts";
import type { Played, Portion } from "./worker.ts";

/** Seeds that a worker plays between two messages. */
const PORTION = 200;
/** After so many failures more of the same say nothing new. */
const FAILURES_MAX = 5;

function number(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  const value = at < 0 ? otherwise : Number(Deno.args[at + 1]);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a whole number`);
  return value;
}

/** Plays `count` seeds from `from` in `workers` threads. */
async function simulate({ from, count, workers }: { from: number; count: number; workers: number }): Promise<Totals> {
  const totals = noTotals();
  const startedAt = performance.now();
  let next = from;
  const lane = async () => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    while (next < from + count && totals.failed.length < FAILURES_MAX) {
      const portion: Portion = { from: next, count: Math.min(PORTION, from + count - next) };
      next += portion.count;
      const { totals: more, reports } = await ask(worker, portion);
      addTotals(totals, more);
      for (const text of reports) say(text);
      const seconds = (performance.now() - startedAt) / 1000;
      if (Deno.stderr.isTerminal()) tell(`\r${totals.seeds} seeds, ${Math.round(totals.seeds / seconds)} a second `);
    }
    worker.terminate();
  };
  await Promise.all(Array.from({ length: workers }, lane));
  return totals;
}

function ask(worker: Worker, portion: Portion): Promise<Played> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(portion);
  });
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function tell(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

const totals = await simulate({
  from: number("from", 1),
  count: number("seeds", 1_000),
  workers: number("workers", 1),
});
if (Deno.stderr.isTerminal()) tell("\n");
const { seeds, records, commits, closings, steps, failed } = totals;
const list = (counts: Record<string, number>) =>
  Object.entries(counts).sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(", ");
say(`faults: ${list(totals.faults)}`);
say(`stopped by name: ${list(totals.stops)}`);
say(
  `${seeds} seeds, ${steps} steps, ${records} records, ${commits} commits, ${closings} windows closed: ` +
    (failed.length === 0 ? "0 failed" : `${failed.length} failed: ${failed.join(", ")}`),
);
Deno.exit(failed.length === 0 ? 0 : 1);
