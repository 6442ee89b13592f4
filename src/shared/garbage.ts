// Asks V8 to collect garbage where much of it lies outside its heap, which V8 hardly looks at.

/** Present with V8's flag `--expose-gc`, which the tasks and the binary set. */
const collect = (globalThis as { gc?: () => void }).gc;

/** Whether {@link collectGarbage} does anything. */
export const canCollectGarbage = collect !== undefined;

/** Collects now: about 20 ms. Does nothing without the flag. */
export function collectGarbage(): void {
  collect?.();
}
