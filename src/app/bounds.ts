// How much of what strangers send one engine may hold, so that a process keeps within the memory that docs/reliability.md promises. Pure.
import type { Settings } from "../shared/config/settings.ts";
import type { DeltaBounds } from "../window/delta.ts";

const MIB = 2 ** 20;

/**
 * The embedded database holds a statement several times, in a memory that never shrinks, and that memory is this process's: so do the windows
 * that it closes.
 */
const EMBEDDED = { deltaBytes: 8 * MIB, dictionaryBytes: 64 * MIB, windowBytes: 32 * MIB };

/** Each engine of several has a thread with a heap of its own beside these. */
const ENGINE_OF_SEVERAL = { deltaBytes: 12 * MIB, dictionaryBytes: 24 * MIB };

/** Bounds of one engine. */
interface EngineBounds extends DeltaBounds {
  /** Of the rows of a closed window. */
  readonly maxWindowBytes: number;
}

/** The settings, or less where the place of an engine allows less. */
export function engineBounds(
  { MAX_DELTA_KEYS, MAX_DELTA_BYTES, MAX_DICTIONARY_BYTES, MAX_WINDOW_BYTES }: Pick<
    Settings,
    "MAX_DELTA_KEYS" | "MAX_DELTA_BYTES" | "MAX_DICTIONARY_BYTES" | "MAX_WINDOW_BYTES"
  >,
  { embedded, alone }: { readonly embedded: boolean; readonly alone: boolean },
): EngineBounds {
  const caps = [embedded ? EMBEDDED : null, alone ? null : ENGINE_OF_SEVERAL].filter((cap) => cap !== null);
  return {
    maxDeltaKeys: MAX_DELTA_KEYS,
    maxDeltaBytes: Math.min(MAX_DELTA_BYTES, ...caps.map(({ deltaBytes }) => deltaBytes)),
    maxDictionaryBytes: Math.min(MAX_DICTIONARY_BYTES, ...caps.map(({ dictionaryBytes }) => dictionaryBytes)),
    maxWindowBytes: Math.min(MAX_WINDOW_BYTES, embedded ? EMBEDDED.windowBytes : Infinity),
  };
}
