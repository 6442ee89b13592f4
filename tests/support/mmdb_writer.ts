// Writes small MaxMind DB files for tests: any record size, either IP version, records of maps, lists, texts and numbers. No I/O.
// Format: https://maxmind.github.io/MaxMind-DB/. Written from that page alone, so that it does not share mistakes with our reader.

/** A value of a record; numbers are unsigned integers below 2^32. */
export type MmdbValue = string | number | boolean | readonly MmdbValue[] | { readonly [key: string]: MmdbValue };

/** One network; `address` is dotted decimal or eight hexadecimal groups. A later network replaces its part of an earlier, wider one. */
export interface MmdbNetwork {
  readonly address: string;
  readonly prefixLength: number;
  readonly record: MmdbValue;
}

export interface MmdbFileOptions {
  readonly recordSize?: 24 | 28 | 32;
  /** In a file of version 6, networks in dotted decimal go below ::/96. */
  readonly ipVersion?: 4 | 6;
  readonly databaseType?: string;
  /** Unix seconds. */
  readonly buildEpoch?: number;
  readonly languages?: readonly string[];
  /** Texts and values that were written before become pointers, as in real files: `short` ones, or always of four bytes. */
  readonly pointers?: "short" | "long";
}

type Node = [Branch, Branch];
/** Empty, a record's place in the data section, or a node. */
type Branch = null | { readonly offset: number } | Node;

const encoder = new TextEncoder();

/** The file's bytes. */
export function writeMmdb(networks: readonly MmdbNetwork[], options: MmdbFileOptions = {}): Uint8Array<ArrayBuffer> {
  const { recordSize = 24, ipVersion = 4, databaseType = "test city", buildEpoch = 1_700_000_000, languages = ["en"] } =
    options;
  const data: number[] = [];
  const written = options.pointers && { form: options.pointers, offsets: new Map<string, number>() };
  const offsets = new Map<string, number>();
  const root: Node = [null, null];
  for (const { address, prefixLength, record } of networks) {
    const key = JSON.stringify(record);
    let offset = offsets.get(key);
    if (offset === undefined) {
      offsets.set(key, offset = data.length);
      encode(record, data, written);
    }
    insert(root, prefixBits(address, prefixLength, ipVersion), { offset });
  }
  const nodes: Node[] = [];
  const numbers = new Map<Node, number>();
  const number = (node: Node) => {
    numbers.set(node, nodes.push(node) - 1);
    for (const branch of node) if (Array.isArray(branch)) number(branch);
  };
  number(root);
  const tree: number[] = [];
  for (const node of nodes) {
    const [left, right] = node.map((branch) =>
      branch === null ? nodes.length : Array.isArray(branch) ? numbers.get(branch)! : nodes.length + 16 + branch.offset
    ) as [number, number];
    writeNode(tree, left, right, recordSize);
  }
  const metadata: number[] = [];
  encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: buildEpoch,
    database_type: databaseType,
    description: { en: "made by a test" },
    ip_version: ipVersion,
    languages,
    node_count: nodes.length,
    record_size: recordSize,
  }, metadata);
  const marker = [0xab, 0xcd, 0xef, ...encoder.encode("MaxMind.com")];
  return Uint8Array.from([...tree, ...new Array<number>(16).fill(0), ...data, ...marker, ...metadata]);
}

function prefixBits(address: string, prefixLength: number, ipVersion: 4 | 6): number[] {
  const v4 = address.includes(".");
  const values = v4 ? address.split(".").map(Number) : address.split(":").map((group) => parseInt(group, 16));
  const width = v4 ? 8 : 16;
  const bits = values.flatMap((value) => Array.from({ length: width }, (_, i) => (value >> (width - 1 - i)) & 1));
  const prefix = bits.slice(0, prefixLength);
  return v4 && ipVersion === 6 ? [...new Array<number>(96).fill(0), ...prefix] : prefix;
}

function insert(root: Node, bits: readonly number[], leaf: { readonly offset: number }): void {
  let node = root;
  for (const bit of bits.slice(0, -1)) {
    const branch = node[bit] ?? null;
    // A wider network that is split: both halves keep its value.
    const next: Node = Array.isArray(branch) ? branch : [branch, branch];
    node[bit] = next;
    node = next;
  }
  node[bits.at(-1)!] = leaf;
}

function writeNode(out: number[], left: number, right: number, recordSize: 24 | 28 | 32): void {
  const bytes = (value: number, count: number) => {
    for (let i = count - 1; i >= 0; i--) out.push(Math.floor(value / 2 ** (8 * i)) & 255);
  };
  if (recordSize !== 28) {
    bytes(left, recordSize / 8);
    bytes(right, recordSize / 8);
    return;
  }
  bytes(left & 0xffffff, 3);
  out.push(((left >>> 24) << 4) | (right >>> 24));
  bytes(right & 0xffffff, 3);
}

const TYPE = { text: 2, uint32: 6, map: 7, list: 11, boolean: 14 } as const;

/** Values that a pointer may lead to, by their content. */
interface Written {
  readonly form: "short" | "long";
  readonly offsets: Map<string, number>;
}

function encode(value: MmdbValue, out: number[], written?: Written): void {
  if (written !== undefined && typeof value !== "number" && typeof value !== "boolean") {
    const key = JSON.stringify(value), known = written.offsets.get(key);
    if (known !== undefined) return pointer(known, written.form, out);
    const at = out.length;
    encodePlain(value, out, written);
    written.offsets.set(key, at);
  } else encodePlain(value, out, written);
}

/** A pointer in the data section: 11, 19 or 27 bits, each counted from the end of the form before, or 32 bits. */
function pointer(offset: number, form: Written["form"], out: number[]): void {
  const put = (size: number, value: number, bytes: number) => {
    out.push(0x20 | (size << 3) | (bytes === 4 ? 0 : value >>> (8 * bytes)));
    for (let i = bytes - 1; i >= 0; i--) out.push((value >>> (8 * i)) & 255);
  };
  if (form === "long" || offset >= 526_336 + (1 << 27)) put(3, offset, 4);
  else if (offset < 2048) put(0, offset, 1);
  else if (offset < 526_336) put(1, offset - 2048, 2);
  else put(2, offset - 526_336, 3);
}

function encodePlain(value: MmdbValue, out: number[], written?: Written): void {
  if (typeof value === "string") {
    const bytes = encoder.encode(value);
    control(out, TYPE.text, bytes.length);
    for (const byte of bytes) out.push(byte);
  } else if (typeof value === "number") {
    control(out, TYPE.uint32, 4);
    for (let i = 3; i >= 0; i--) out.push((value >>> (8 * i)) & 255);
  } else if (typeof value === "boolean") {
    control(out, TYPE.boolean, value ? 1 : 0);
  } else if (isList(value)) {
    control(out, TYPE.list, value.length);
    for (const item of value) encode(item, out, written);
  } else {
    const entries = Object.entries(value);
    control(out, TYPE.map, entries.length);
    for (const [key, item] of entries) {
      encode(key, out, written);
      encode(item, out, written);
    }
  }
}

function isList(value: MmdbValue): value is readonly MmdbValue[] {
  return Array.isArray(value);
}

/** Sizes below 2^24 + 65,821. */
function control(out: number[], type: number, size: number): void {
  const small = size < 29 ? size : size < 285 ? 29 : size < 65_821 ? 30 : 31;
  if (type <= 7) out.push((type << 5) | small);
  else out.push(small, type - 7);
  if (small === 29) out.push(size - 29);
  if (small === 30) out.push((size - 285) >> 8, (size - 285) & 255);
  if (small === 31) out.push((size - 65_821) >> 16, ((size - 65_821) >> 8) & 255, (size - 65_821) & 255);
}
