// Holds the fast event reader against the slow one: `deno task fuzz:event --cases 10000000 [--seed S]`. Exit 6 on a difference.
import { fuzz } from "../tests/event/differential.ts";

const flag = (name: string, fallback: number) => {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(Deno.args[at + 1]);
};
const CASES = flag("cases", 1_000_000);
const SEED = flag("seed", crypto.getRandomValues(new Uint32Array(1))[0]!);
/** Each slice has its own seed, so that a failure is made again in seconds. */
const SLICE = 100_000;

const write = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
const started = performance.now();
let events = 0;
for (let done = 0; done < CASES; done += SLICE) {
  const seed = (SEED + done / SLICE) | 0;
  const result = fuzz(seed, Math.min(SLICE, CASES - done));
  events += result.events;
  if (result.failure) {
    const { rules, value, difference } = result.failure;
    write(`seed ${seed}, rules ${rules}: ${difference}`);
    write(JSON.stringify({ why: "describe me", rules, base64: value.toBase64() }));
    Deno.exit(6);
  }
}
const seconds = (performance.now() - started) / 1000;
write(`${CASES} values from seed ${SEED}: both paths equal; ${events} were events; ${seconds.toFixed(1)} s`);
