// Remembers the files that looks at the folder have shown, and finds what is lost with those that are gone. Pure.
import {
  BEGINNING,
  beginsAs,
  type Content,
  FINGERPRINT_BYTES_MAX,
  fingerprintOf,
  isCopied,
  PEEK_BYTES,
} from "./generations.ts";
import { commonLength, type SeenFile } from "./match.ts";
import { wholeLinesEnd } from "../lines.ts";

/** Files that looks have shown, also looks that were given up because the folder changed, until what they hold has a number. */
export class ShownFiles {
  #files: readonly SeenFile[] = [];

  /**
   * Adds what the last look has shown (`seen`), and what was shown before it and is another file by now.
   *
   * @returns the files of which no file of the last look holds all that was shown
   */
  add(before: readonly SeenFile[], seen: readonly SeenFile[]): readonly SeenFile[] {
    const byIdentity = new Map(seen.map((file) => [file.identity, file]));
    const isHeld = (file: SeenFile) => {
      // The file of the same inode is compared first: in a folder of many files it is nearly always the one.
      const same = byIdentity.get(file.identity);
      return (same !== undefined && holdsAll(same, file)) || seen.some((other) => holdsAll(other, file));
    };
    const gone = [...this.#files, ...before].filter((file) => !isHeld(file));
    const longest = gone.filter((file, i) =>
      !gone.some((other, j) => i !== j && holdsAll(other, file) && (j < i || !holdsAll(file, other)))
    );
    this.#files = [...longest, ...seen];
    return longest;
  }

  /** Forgets all files but those that hold more than what has a number. */
  keep(files: readonly SeenFile[]): void {
    this.#files = files;
  }
}

/** Lines that a look has shown and that no file holds any more. */
export interface LostPart {
  readonly file: SeenFile;
  /** The content of which they are the end, if its length is all that is to be stored: it is not finished, and its file is not found. */
  readonly content: Content | undefined;
  /** Bytes of uncompressed content: what is lost lies in `[from, to)`. */
  readonly from: number;
  readonly to: number;
}

interface LostOptions {
  /** The files of the last look. */
  readonly seen: readonly SeenFile[];
  /** Files by the content's number. */
  readonly located: ReadonlyMap<number, SeenFile>;
  /** Device and inode of a content's file, if it was found by the look before this one. */
  readonly identityOf: (number: number) => string | undefined;
}

/**
 * What is lost with the files that are `gone`: lines that were neither read nor numbered, and that no other file holds. Files without a
 * record, and files whose first line was still being written, are left out.
 */
export function lostOf(
  gone: readonly SeenFile[],
  contents: readonly Content[],
  { seen, located, identityOf }: LostOptions,
): LostPart[] {
  return gone.filter(({ settled }) => settled).flatMap((file): LostPart[] => {
    const to = lengthOf(file), own = contents.filter((content) => isOf(file, content, identityOf(content.number)));
    if (own.some((content) => isKnownTo(content, to))) return [];
    const open = own.find(({ number, latest }) =>
      !isCopied({ number, latest }) && !latest.finished && !located.has(number)
    );
    const from = Math.max(heldTo(file, seen), ...own.map(({ sizeSeen }) => sizeSeen));
    return from < to ? [{ file, content: open, from, to }] : [];
  });
}

/** Bytes of uncompressed content that a look has shown; a lower bound for a compressed file whose length is not known. */
function lengthOf({ compressed, size, length, beginning }: SeenFile): number {
  if (compressed) return length ?? beginning.length;
  // A file that was cut during the look gave fewer bytes than it was said to have.
  return beginning.length < PEEK_BYTES ? beginning.length : size;
}

/** Whether `other` begins with all that was shown of `file`. Compressed files that are equal as far as was looked at are taken as equal. */
function holdsAll(other: SeenFile, file: SeenFile): boolean {
  const { beginning } = file;
  if (other.beginning !== beginning && commonLength(other.beginning, beginning) < beginning.length) return false;
  return other.compressed || other.size >= lengthOf(file);
}

/** Whether the file held the content, or an earlier state of it. `identity`: of the content's file. */
function isOf(file: SeenFile, content: Content, identity: string | undefined): boolean {
  const { proof, fingerprintBytes } = content, { head, beginning } = file;
  const isSameFile = identity === file.identity;
  if (head.length < fingerprintBytes) return isSameFile && head.length > 0;
  if (!beginsAs(content, head)) return false;
  if (proof !== null && proof.to <= beginning.length) {
    return fingerprintOf(beginning.subarray(proof.to - proof.bytes, proof.to), proof.bytes) === proof.digest;
  }
  // What was read lies behind what was looked at. Equal comments alone do not make it the content's file.
  return proof === null || isSameFile || file.recordEnd <= fingerprintBytes || lengthOf(file) >= proof.to;
}

/** Whether all bytes before `to` are numbered, or are not to be read. */
function isKnownTo({ number, sizeSeen, latest }: Content, to: number): boolean {
  const isHistory = number < BEGINNING && !isCopied({ number, latest });
  return sizeSeen >= to || latest.sealed || isHistory;
}

/** Up to where the file's lines are also in files of the last look. */
function heldTo(file: SeenFile, seen: readonly SeenFile[]): number {
  const { beginning } = file;
  let to = 0;
  for (const other of seen) {
    const common = commonLength(beginning, other.beginning), isWhole = common === other.beginning.length;
    // The first line or two may be equal by chance, but not with all of a file.
    if (common < Math.max(FINGERPRINT_BYTES_MAX, file.recordEnd) && !(isWhole && common > file.recordStart)) continue;
    const isLonger = isWhole && common === beginning.length && !other.compressed;
    to = Math.max(to, isLonger ? Math.min(other.size, lengthOf(file)) : wholeLinesEnd(beginning, common));
  }
  return to;
}
