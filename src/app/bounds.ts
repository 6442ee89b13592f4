// Bounds of one engine's memory, so that a process stays within the memory that docs/reliability.md promises. Pure.
import type { Settings } from "../shared/config/settings.ts";
import type { DeltaBounds } from "../window/delta.ts";

const MIB = 2 ** 20;

/**
 * The embedded database holds a statement, and the rows of a window that it closes, several times. Its memory belongs to this process and
 * never shrinks.
 */
const EMBEDDED = { deltaBytes: 8 * MIB, dictionaryBytes: 64 * MIB, windowBytes: 32 * MIB };

/** With several engines, each also has a thread with a heap of its own. */
const ENGINE_OF_SEVERAL = { deltaBytes: 12 * MIB, dictionaryBytes: 24 * MIB };

interface EngineBounds extends DeltaBounds {
  /** Bytes of the rows of a closed window. */
  readonly maxWindowBytes: number;
}

/** The settings, or less for the embedded database and for several engines. */
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
