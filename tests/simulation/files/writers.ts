// Servers that write logs, and everything that rotates, replaces and damages them; each line is remembered. No I/O.
import { gunzipSync, gzipSync } from "node:zlib";
import type { Random } from "../random.ts";
import type { Inode, ModelDisk } from "./disk.ts";

const FOLDER = "/log";
/** Rotated files that are kept. */
const KEPT = 6;
/** A line that was written, and where it went first. */
export interface Line {
  readonly id: number;
  readonly log: string;
  /** Null once its bytes are nowhere. */
  readonly inode: Inode | null;
  readonly end: number;
  /** An open handle had shown it before its bytes were taken away. */
  seenBefore: boolean;
}

/** What a server writes at the head of each file, as IIS does: the long one fills all that files are known by at first. */
const HEADERS = ["", "", "# a short header\n", "# a header that says the same in each file\n".repeat(30)];

/** One log's writer. */
export class Writer {
  readonly path: string;
  readonly #header: string;
  #inode: Inode;
  #rotations = 0;
  /** A copy, or a compressed file, that is being made: its path and what it is to hold. */
  #making: { readonly from: string; readonly to: string; readonly kind: "copy" | "gzip" } | null = null;

  constructor(
    readonly disk: ModelDisk,
    readonly name: string,
    readonly lines: Map<number, Line>,
    random: Random,
  ) {
    this.path = `${FOLDER}/${name}`;
    this.#header = random.pick(HEADERS);
    this.#inode = this.#fresh();
    // Some servers write the head at once, others with the first line.
    if (random.chance(0.5)) this.disk.append(this.#inode, this.#header);
  }

  #fresh(): Inode {
    const inode = this.disk.create(this.path);
    inode.held++;
    return inode;
  }

  /** Writes whole lines into what the server has open. */
  write(count: number, random: Random, time: number): void {
    for (let i = 0; i < count; i++) {
      const id = this.lines.size, inode = this.#inode;
      if (inode.bytes.length === 0) this.disk.append(inode, this.#header);
      this.disk.append(inode, `line ${id} t=${time + i} ${"x".repeat(random.int(0, 60))}\n`);
      this.lines.set(id, { id, log: this.path, inode, end: inode.bytes.length, seenBefore: false });
    }
  }

  /** The server opens the file that has the log's name now. */
  reopen(): void {
    const named = this.disk.at(this.path) ?? this.#fresh();
    if (named === this.#inode) return;
    this.#inode.held--;
    this.disk.release(this.#inode);
    if (named.held === 0 || named !== this.#inode) named.held++;
    this.#inode = named;
  }

  /** What rotation does; the server goes on in the old file until it opens the new one. */
  rename(dated: boolean): void {
    this.finish();
    if (this.disk.at(this.path) === undefined) return;
    if (dated) {
      const stamp = 20260101 + this.#rotations++;
      this.disk.rename(this.path, `${this.path}-${stamp}`);
    } else {
      this.#shift();
      this.disk.rename(this.path, `${this.path}.1`);
    }
    this.disk.create(this.path);
  }

  /** As cp and truncation do, one step a call: a part of the copy, all of it, and the file is emptied. */
  copyTruncate(random: Random): void {
    if (this.#making?.kind === "copy") return this.#make();
    this.finish();
    const inode = this.disk.at(this.path);
    if (inode === undefined || inode !== this.#inode || inode.bytes.length === 0) return;
    this.#shift();
    this.#begin("copy", this.path, `${this.path}.1`, inode.bytes, random);
  }

  /** Compresses the newest rotated file that no server writes to, in two steps or one. */
  compress(random: Random): void {
    if (this.#making?.kind === "gzip") return this.#make();
    this.finish();
    const found = [...this.disk.entries].find(([path, inode]) =>
      /^\.\d+$/.test(path.slice(this.path.length)) && path.startsWith(this.path) && inode !== this.#inode &&
      inode.bytes.length > 0
    );
    if (found === undefined) return;
    const [path, inode] = found;
    this.#begin("gzip", path, `${path}.gz`, gzipSync(inode.bytes), random);
  }

  #begin(kind: "copy" | "gzip", from: string, to: string, whole: Uint8Array, random: Random): void {
    const part = this.disk.create(to);
    this.#making = { kind, from, to };
    if (random.chance(0.5)) return this.#make();
    this.disk.set(part, whole.slice(0, random.int(0, whole.length)));
  }

  /** All of it is there by now, and what it was made from goes. */
  #make(): void {
    const { kind, from, to } = this.#making!;
    this.#making = null;
    const made = this.disk.at(to)!, inode = this.disk.at(from)!;
    made.seen = 0;
    if (kind === "gzip") {
      this.disk.set(made, gzipSync(inode.bytes));
      made.modified = inode.modified;
      return this.disk.remove(from);
    }
    this.disk.set(made, inode.bytes);
    this.#moved(inode, made);
    this.disk.set(inode, new Uint8Array(0));
  }

  /** What is being made is made, before another rotation begins. */
  finish(): void {
    if (this.#making !== null) this.#make();
  }

  /** `cp access.log access.log.bak`, or a newer copy over it. */
  backup(): void {
    const inode = this.disk.at(this.path), path = `${this.path}.bak`;
    if (inode === undefined || inode.bytes.length === 0) return;
    const copy = this.disk.at(path) ?? this.disk.create(path);
    const lost = new TextDecoder().decode(copy.bytes), kept = new TextDecoder().decode(inode.bytes);
    // Only over an older state of the same file: what else would it be a backup of?
    if (kept.startsWith(lost)) this.disk.set(copy, inode.bytes);
  }

  /** `: > access.log`: the file is emptied and no copy is made. */
  empty(): void {
    this.finish();
    const inode = this.disk.at(this.path);
    if (inode === undefined) return;
    this.#destroyed(inode);
    // The inode lives on with other lines.
    for (const line of this.lines.values()) if (line.inode === inode) this.lines.set(line.id, { ...line, inode: null });
    this.disk.set(inode, new Uint8Array(0));
  }

  /** `sed -i`, `sed -i.bak`: a file of its own with some of the lines takes the name; the server goes on in the old one. */
  edit(random: Random): void {
    this.finish();
    const old = this.disk.at(this.path);
    if (old === undefined || old.bytes.length === 0) return;
    const lines = new TextDecoder().decode(old.bytes).split("\n").slice(0, -1);
    const one = random.int(0, lines.length - 1), kind = random.int(0, 3);
    const kept = lines.filter((line, i) =>
      line.startsWith("#") ||
      (kind === 0 ? i === one : kind === 1 ? i <= one : kind === 2 ? i >= one : random.chance(0.7))
    );
    if (kept.length === lines.length) return;
    const inode = this.disk.create(`${FOLDER}/.sed`), backup = this.disk.at(`${this.path}.bak`);
    if (backup !== undefined) this.#destroyed(backup);
    if (random.chance(0.3)) this.disk.rename(this.path, `${this.path}.bak`);
    else this.#destroyed(old);
    this.disk.append(inode, kept.map((line) => `${line}\n`).join(""));
    this.disk.rename(`${FOLDER}/.sed`, this.path);
  }

  /** As rsync does: a file of its own with all the lines and some more takes the name. */
  replace(random: Random, time: number): void {
    this.finish();
    const old = this.disk.at(this.path);
    if (old === undefined || old !== this.#inode) return;
    const copy = this.disk.create(`${FOLDER}/.tmp`);
    this.disk.set(copy, old.bytes);
    this.disk.rename(`${FOLDER}/.tmp`, this.path);
    this.#moved(old, copy);
    this.reopen();
    this.write(random.int(1, 5), random, time);
  }

  #shift(): void {
    const numbered = [...this.disk.entries.keys()].flatMap((path) => {
      const match = path.startsWith(`${this.path}.`) ? /^\.(\d+)(\.gz)?$/.exec(path.slice(this.path.length)) : null;
      return match ? [{ path, number: Number(match[1]), ending: match[2] ?? "" }] : [];
    }).sort((a, b) => b.number - a.number);
    for (const { path, number, ending } of numbered) {
      if (number >= KEPT) {
        const inode = this.disk.at(path)!;
        this.#destroyed(inode);
        this.disk.remove(path);
      } else this.disk.rename(path, `${this.path}.${number + 1}${ending}`);
    }
  }

  #moved(from: Inode, to: Inode): void {
    for (const line of this.lines.values()) {
      if (line.inode !== from) continue;
      this.lines.set(line.id, { ...line, inode: to, seenBefore: line.seenBefore || line.end <= from.seen });
    }
  }

  #destroyed(inode: Inode): void {
    for (const line of this.lines.values()) if (line.inode === inode && line.end <= inode.seen) line.seenBefore = true;
  }
}

/** Numbers of the lines that are in files now. */
export function linesOnDisk(disk: ModelDisk): Set<number> {
  const found = new Set<number>();
  for (const [path, { bytes }] of disk.entries) {
    const text = new TextDecoder().decode(path.endsWith(".gz") ? wholeOf(bytes) : bytes);
    for (const [, id] of text.matchAll(/^line (\d+) /gm)) found.add(Number(id));
  }
  return found;
}

/** What a compressed file holds; nothing while it is being made: then what it is made from is there. */
function wholeOf(bytes: Uint8Array): Uint8Array {
  try {
    return gunzipSync(bytes);
  } catch {
    return new Uint8Array(0);
  }
}
