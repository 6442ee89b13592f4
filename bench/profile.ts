// Prints where the CPU went, from a profile that V8 wrote (`PROFILE=folder deno task bench peers tidemark:` makes one): self time by function
// and by file. `deno run -A bench/profile.ts FILE.cpuprofile [--top 40] [--from 30]` leaves out the first seconds.
import { numberFlag, write } from "./support.ts";

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** µs since the sample before. */
  readonly timeDeltas: readonly number[];
}

const TOP = numberFlag("top", 40), FROM_MICROS = 1e6 * numberFlag("from", 0);
const profile: Profile = JSON.parse(await Deno.readTextFile(Deno.args[0]!));
const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
const byFunction = new Map<string, number>(), byFile = new Map<string, number>();
let busy = 0, at = 0;
for (const [i, id] of profile.samples.entries()) {
  const { functionName, url, lineNumber } = frames.get(id)!;
  const micros = profile.timeDeltas[i]!;
  at += micros;
  if (functionName === "(idle)" || at < FROM_MICROS) continue;
  busy += micros;
  const file = url.replace(/^.*\/(node_modules|npm|src|ext:)/, "$1") || "(V8)";
  const name = `${functionName || "(anonymous)"}  ${file}${lineNumber > 0 ? `:${lineNumber + 1}` : ""}`;
  byFunction.set(name, (byFunction.get(name) ?? 0) + micros);
  byFile.set(file, (byFile.get(file) ?? 0) + micros);
}
for (const [title, shares] of [["function", byFunction], ["file", byFile]] as const) {
  write(`self time by ${title}, of ${(busy / 1e6).toFixed(2)} s busy`);
  for (const [name, micros] of [...shares].sort((a, b) => b[1] - a[1]).slice(0, TOP)) {
    write(`${(micros / 1000).toFixed(0).padStart(7)} ms ${(100 * micros / busy).toFixed(1).padStart(5)} %  ${name}`);
  }
}
