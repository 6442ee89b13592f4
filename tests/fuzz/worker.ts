// Runs one target in a thread of its own, so that the command can end a case that never ends. Shell: a Worker.
import { fuzz, type FuzzReport } from "./run.ts";
import { targetOf } from "./targets.ts";

export interface Job {
  readonly target: string;
  readonly seed: number;
  readonly cases: number;
  /** Two 32-bit numbers: seed of the slice and position in it, written before each case. */
  readonly at: Int32Array;
}

export type Done = { readonly report: FuzzReport } | { readonly error: string };

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<Job>) => {
  const { target, seed, cases, at } = data;
  try {
    const report = await fuzz(targetOf(target), {
      seed,
      cases,
      onCase(sliceSeed, n) {
        at[0] = sliceSeed;
        at[1] = n;
      },
    });
    self.postMessage({ report } satisfies Done);
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? error.stack ?? error.message : String(error) } satisfies Done);
  }
};
