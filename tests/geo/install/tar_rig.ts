// Writes small tar archives for tests (POSIX.1-1988 ustar). No I/O.
export interface TarFile {
  readonly path: string;
  readonly content: Uint8Array;
  /** "0" regular (default), "5" folder, "x" extended header, … */
  readonly type?: string;
}

export function writeTar(files: readonly TarFile[]): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [];
  const encoder = new TextEncoder();
  for (const { path, content, type = "0" } of files) {
    const header = new Uint8Array(512);
    const put = (at: number, text: string) => header.set(encoder.encode(text), at);
    const split = path.length > 100 ? path.lastIndexOf("/", 155) : -1;
    put(0, path.slice(split + 1));
    if (split > 0) put(345, path.slice(0, split));
    put(100, "0000644\0");
    put(124, content.length.toString(8).padStart(11, "0") + "\0");
    put(148, "        ");
    put(156, type);
    put(257, "ustar\x0000");
    put(148, header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0") + "\0 ");
    const padded = new Uint8Array(Math.ceil(content.length / 512) * 512);
    padded.set(content);
    blocks.push(header, padded);
  }
  blocks.push(new Uint8Array(1024));
  const whole = new Uint8Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}
