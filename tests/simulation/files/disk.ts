// A model of a file system: inodes under names, numbers that are given again, and what was ever seen of each inode. No I/O.
import { matchesGlob } from "node:path";
import type { FileInfo, FileSystem, OpenFile } from "../../../src/source/file/file_system.ts";

/** A file's content, whatever its names. */
export class Inode {
  bytes: Uint8Array = new Uint8Array(0);
  links = 0;
  /** Open handles: a number is given again only when nothing holds the file. */
  held = 0;
  modified: number;
  /** Bytes that an open handle has shown to be there. */
  seen = 0;
  constructor(readonly number: number, now: number) {
    this.modified = now;
  }
}

/** One folder of files. */
export class ModelDisk implements FileSystem {
  readonly entries = new Map<string, Inode>();
  /** Done before one of the next calls is answered: what others do to the files while the source looks at them. */
  interruption: { after: number; readonly act: () => void } | null = null;
  readonly #free: number[] = [];
  #last = 0;

  /** @param now the file system's own clock, epoch ms */
  constructor(readonly now: () => number) {}

  create(path: string): Inode {
    const inode = new Inode(this.#free.pop() ?? ++this.#last, this.now());
    this.#put(path, inode);
    return inode;
  }

  append(inode: Inode, text: string): void {
    const more = new TextEncoder().encode(text), all = new Uint8Array(inode.bytes.length + more.length);
    all.set(inode.bytes);
    all.set(more, inode.bytes.length);
    inode.bytes = all;
    inode.modified = this.now();
  }

  set(inode: Inode, bytes: Uint8Array): void {
    inode.bytes = bytes;
    inode.modified = this.now();
    inode.seen = Math.min(inode.seen, bytes.length);
  }

  at(path: string): Inode | undefined {
    return this.entries.get(path);
  }

  rename(from: string, to: string): void {
    const inode = this.entries.get(from)!;
    this.entries.delete(from);
    inode.links--;
    this.#put(to, inode);
  }

  remove(path: string): void {
    const inode = this.entries.get(path);
    if (inode === undefined) return;
    this.entries.delete(path);
    inode.links--;
    this.release(inode);
  }

  /** Gives the number away again where nothing holds the file. */
  release(inode: Inode): void {
    if (inode.links === 0 && inode.held === 0 && !this.#free.includes(inode.number)) this.#free.push(inode.number);
  }

  #put(path: string, inode: Inode): void {
    this.remove(path);
    this.entries.set(path, inode);
    inode.links++;
  }

  #called(): void {
    if (this.interruption === null || this.interruption.after-- > 0) return;
    const { act } = this.interruption;
    this.interruption = null;
    act();
  }

  open(path: string): Promise<OpenFile> {
    this.#called();
    const inode = this.entries.get(path);
    if (inode === undefined) return Promise.reject(missing(path));
    inode.held++;
    let open = true;
    return Promise.resolve({
      read: (into: Uint8Array, at: number) => {
        const part = inode.bytes.subarray(at, at + into.length);
        into.set(part);
        if (part.length > 0) inode.seen = Math.max(inode.seen, at + part.length);
        return Promise.resolve(part.length);
      },
      info: () => {
        inode.seen = Math.max(inode.seen, inode.bytes.length);
        return Promise.resolve(infoOf(inode));
      },
      close: () => {
        if (open) inode.held--;
        open = false;
        this.release(inode);
        return Promise.resolve();
      },
    });
  }

  info(path: string): Promise<FileInfo> {
    this.#called();
    const inode = this.entries.get(path);
    return inode === undefined ? Promise.reject(missing(path)) : Promise.resolve(infoOf(inode));
  }

  real(path: string): Promise<string> {
    return Promise.resolve(path);
  }

  names(folder: string): Promise<string[]> {
    const inside = [...this.entries.keys()].filter((path) => path.startsWith(`${folder}/`));
    return Promise.resolve(inside.map((path) => path.slice(folder.length + 1)));
  }

  async *glob(pattern: string): AsyncIterable<string> {
    for (const path of [...this.entries.keys()]) {
      await Promise.resolve();
      if (matchesGlob(path, pattern)) yield path;
    }
  }
}

function infoOf(inode: Inode): FileInfo {
  return {
    kind: "file",
    size: inode.bytes.length,
    modified: inode.modified,
    identity: `1:${inode.number}`,
    links: inode.links,
  };
}

function missing(path: string): Error {
  return Object.assign(new Error(`no such file: ${path}`), { code: "ENOENT" });
}
