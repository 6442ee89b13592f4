// The cases that were ever found or thought of, one JSON line each: `corpus/<target>.ndjson`. Reads and writes these files.
import type { Case } from "./target.ts";

/** A kept case. */
export interface KeptCase extends Case {
  /** What is special about it. */
  readonly why: string;
  /** The outcome that is right. */
  readonly expect: string;
}

interface Line {
  readonly why: string;
  readonly variant: string;
  readonly base64: string;
  readonly expect: string;
}

const fileOf = (target: string) => new URL(`corpus/${target}.ndjson`, import.meta.url);

/** The kept cases of a target; none where it has no file. */
export async function readCorpus(target: string): Promise<KeptCase[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(fileOf(target));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const { why, variant, base64, expect } = JSON.parse(line) as Line;
    return { why, variant, input: Uint8Array.fromBase64(base64), expect };
  });
}

/** A case as a line of the corpus. */
export function corpusLine({ why, variant, input, expect }: KeptCase): string {
  const line: Line = { why, variant, base64: input.toBase64(), expect };
  return JSON.stringify(line);
}

/** Adds a case to a target's file. */
export async function keep(target: string, kept: KeptCase): Promise<void> {
  await Deno.writeTextFile(fileOf(target), `${corpusLine(kept)}\n`, { append: true });
}

/** Targets that have a file. */
export async function corpusNames(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(new URL("corpus/", import.meta.url))) {
    if (name.endsWith(".ndjson")) names.push(name.replace(/\.ndjson$/, ""));
  }
  return names.sort();
}
