// Generations and files as a look shows them, for tests of what decides about them. Pure.
import { fingerprintOf, type Generation } from "../../../src/source/file/generations.ts";
import { leadOf } from "../../../src/source/file/listing.ts";
import type { SeenFile } from "../../../src/source/file/match.ts";

/** A file's bytes. */
export const head = (text: string) => new TextEncoder().encode(text);

/** A generation of a file whose beginning is `text`. */
export function generation(number: number, text: string, changes: Partial<Generation> = {}): Generation {
  const bytes = head(text);
  return {
    generation: number,
    fingerprint: fingerprintOf(bytes, bytes.length),
    fingerprintBytes: bytes.length,
    path: `${number}.log`,
    sizeSeen: 0,
    finished: false,
    content: number,
    fromByte: 0,
    proof: null,
    lastTime: null,
    sealed: false,
    format: null,
    ...changes,
  };
}

/** A file whose beginning is `text`. */
export function file(path: string, text: string, changes: Partial<SeenFile> = {}): SeenFile {
  const bytes = head(text);
  return {
    length: changes.compressed ? bytes.length : changes.size ?? bytes.length,
    quiet: true,
    ...leadOf(bytes),
    path,
    identity: path,
    compressed: false,
    size: bytes.length,
    modified: 0,
    head: bytes,
    beginning: bytes,
    settled: true,
    firstTime: 0,
    times: [],
    listed: true,
    ...changes,
  };
}
