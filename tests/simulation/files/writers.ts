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
  readonly inode: Inode;
  readonly end: number;
  /** An open handle had shown it before its bytes were taken away. */
  seenBefore: boolean;
}

/** One log's writer. */
export class Writer {
  readonly path: string;
  #inode: Inode;
  #rotations = 0;
  constructor(readonly disk: ModelDisk, readonly name: string, readonly lines: Map<number, Line>) {
    this.path = `${FOLDER}/${name}`;
    this.#inode = this.#fresh();
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

  copyTruncate(): void {
    const inode = this.disk.at(this.path);
    if (inode === undefined || inode !== this.#inode || inode.bytes.length === 0) return;
    this.#shift();
    const copy = this.disk.create(`${this.path}.1`);
    this.disk.set(copy, inode.bytes);
    copy.seen = 0;
    this.#moved(inode, copy);
    this.disk.set(inode, new Uint8Array(0));
  }

  /** Compresses the newest rotated file that no server writes to. */
  compress(): boolean {
    const found = [...this.disk.entries].find(([path, inode]) =>
      path.startsWith(`${this.path}.`) && !path.endsWith(".gz") && inode !== this.#inode && inode.bytes.length > 0
    );
    if (found === undefined) return false;
    const [path, inode] = found;
    const packed = this.disk.create(`${path}.gz`);
    this.disk.set(packed, gzipSync(inode.bytes));
    packed.modified = inode.modified;
    this.disk.remove(path);
    return true;
  }

  /** As rsync does: a file of its own with all the lines and some more takes the name. */
  replace(random: Random, time: number): void {
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
    const text = new TextDecoder().decode(path.endsWith(".gz") ? gunzipSync(bytes) : bytes);
    for (const [, id] of text.matchAll(/^line (\d+) /gm)) found.add(Number(id));
  }
  return found;
}
