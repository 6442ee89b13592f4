// Garbage collection on demand, for much memory outside V8's heap, which V8 hardly takes into account. No I/O.

/** Present with V8's flag `--expose-gc`, which the tasks and the binary set. */
const collect = (globalThis as { gc?: () => void }).gc;

export const canCollectGarbage = collect !== undefined;

/** Takes about 20 ms. Does nothing without the flag. */
export function collectGarbage(): void {
  collect?.();
}
