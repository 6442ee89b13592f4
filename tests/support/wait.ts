// Waits for a condition instead of sleeping for "long enough". Shell: timers.

export interface WaitOptions {
  /** Default 60 s: long enough for a busy machine, and short enough to fail a test that hangs. */
  readonly limitMs?: number;
  readonly everyMs?: number;
}

/**
 * Resolves once `condition` holds. It may throw to end the wait at once.
 *
 * @param what the condition in words, or a function that returns them with details
 * @throws Error that names it after `limitMs`
 */
export async function until(
  what: string | (() => string),
  condition: () => boolean | Promise<boolean>,
  { limitMs = 60_000, everyMs = 25 }: WaitOptions = {},
): Promise<void> {
  for (const deadline = performance.now() + limitMs; !await condition();) {
    if (performance.now() > deadline) {
      throw new Error(`Not within ${limitMs} ms: ${typeof what === "string" ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
