// The naive side of visitors: SipHash-2-4 in 64-bit arithmetic and the registers of HyperLogLog, under salts that the harness fixes, so that
// the sketches of a run with kills follow from the records alone. Pure. As the oracle, it shares no code with src/.
import { createHash } from "node:crypto";

/** The salt that {@link FIXED_SALTS} gives a UTC day (`YYYY-MM-DD`). */
export const fixedSalt = (day: string): Uint8Array => createHash("sha256").update(day).digest().subarray(0, 16);

/**
 * Replaces the random salt of each day, from the moment at which a migration makes the table. An event trigger, since a harness begins before
 * the program has made its tables.
 */
export const FIXED_SALTS = `
create schema if not exists harness;
create or replace function harness.fix_salt() returns trigger language plpgsql as $$
begin
  new.salt := substr(sha256(convert_to(to_char(new.day, 'YYYY-MM-DD'), 'UTF8')), 1, 16);
  return new;
end $$;
create or replace function harness.fix_salts() returns event_trigger language plpgsql as $$
declare
  t constant regclass := (select c.oid from pg_class c where c.relname = 'visitor_salt' and c.relkind = 'r' limit 1);
begin
  if t is not null and not exists (select from pg_trigger where tgrelid = t and tgname = 'harness_salt') then
    execute format('create trigger harness_salt before insert on %s for each row execute function harness.fix_salt()', t);
  end if;
end $$;
drop event trigger if exists harness_salts;
create event trigger harness_salts on ddl_command_end when tag in ('CREATE TABLE') execute function harness.fix_salts();
`;

const REGISTER_BITS = 14;
const REST_BITS = 64 - REGISTER_BITS;
const REGISTERS = 2 ** REGISTER_BITS;
const MASK = 2n ** 64n - 1n;
const SEPARATOR = "\u0001";
const utf8 = new TextEncoder();

/** Key of a sketch; an empty host is all hosts together. */
export const sketchKey = (day: string, host: string): string => `${day}${SEPARATOR}${host}`;

/** Ranks by register; a register that is not used is not there. */
export type Ranks = ReadonlyMap<number, number>;
/** Sketches by {@link sketchKey}. There may be a hundred thousand hosts, so most must be small. */
export type Sketches = ReadonlyMap<string, Ranks>;

/** Adds visitors up, one after the other. */
export class NaiveVisitors {
  readonly sketches = new Map<string, Map<number, number>>();
  /** Register and rank by day, address and agent. */
  readonly #known = new Map<string, readonly [register: number, rank: number]>();
  readonly #saltOf: (day: string) => Uint8Array | undefined;

  /** @param saltOf the salt of a day; visitors of a day without any are left out */
  constructor(saltOf: (day: string) => Uint8Array | undefined = fixedSalt) {
    this.#saltOf = saltOf;
  }

  /** @param day UTC day of the window's start */
  add(day: string, host: string, address: string, agent: string): void {
    const visitor = [day, address, agent].join(SEPARATOR);
    let update = this.#known.get(visitor);
    if (update === undefined) {
      const salt = this.#saltOf(day);
      if (salt === undefined) return;
      this.#known.set(visitor, update = updateOf(salt, address, agent));
    }
    for (const key of [sketchKey(day, host), sketchKey(day, "")]) raise(this.sketches, key, ...update);
  }
}

/** Raises one register of one sketch. */
export function raise(sketches: Map<string, Map<number, number>>, key: string, register: number, rank: number): void {
  let sketch = sketches.get(key);
  if (sketch === undefined) sketches.set(key, sketch = new Map());
  sketch.set(register, Math.max(sketch.get(register) ?? 0, rank));
}

/** The register that a visitor raises, and its rank: zeros before the first one of the rest of the hash, and one. */
function updateOf(salt: Uint8Array, address: string, agent: string): [register: number, rank: number] {
  const agentHash = sipHash(salt, utf8.encode(agent)),
    message = new Uint8Array([...bigEndian(agentHash), ...addressBytes(address)]);
  const hash = sipHash(salt, message), rest = hash & (2n ** BigInt(REST_BITS) - 1n);
  return [Number(hash >> BigInt(REST_BITS)), REST_BITS - (rest === 0n ? 0 : rest.toString(2).length) + 1];
}

const bigEndian = (word: bigint): number[] =>
  Array.from({ length: 8 }, (_, i) => Number(word >> BigInt(56 - 8 * i) & 0xffn));

/** The bytes of an address of version 4, or of version 6 in the one form that is sent (`fd00::` and a number); else of the text. */
function addressBytes(address: string): Uint8Array | number[] {
  const four = address.split(".").map(Number);
  if (four.length === 4 && four.every((part) => part >= 0 && part <= 255)) return four;
  const six = /^fd00::([0-9a-f]{1,4})$/.exec(address);
  if (six === null) return utf8.encode(address);
  const last = parseInt(six[1]!, 16);
  return [0xfd, ...new Array<number>(13).fill(0), last >> 8, last & 0xff];
}

/** SipHash-2-4 of the paper (ePrint 2012/351), section 2. */
export function sipHash(key: Uint8Array, bytes: Uint8Array): bigint {
  const little = (part: Uint8Array) => part.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const rotated = (x: bigint, bits: bigint) => ((x << bits) | (x >> (64n - bits))) & MASK;
  const k0 = little(key.subarray(0, 8)), k1 = little(key.subarray(8, 16));
  let a = k0 ^ 0x736f6d6570736575n, b = k1 ^ 0x646f72616e646f6dn;
  let c = k0 ^ 0x6c7967656e657261n, d = k1 ^ 0x7465646279746573n;
  const rounds = (count: number) => {
    for (; count > 0; count--) {
      a = (a + b) & MASK;
      c = (c + d) & MASK;
      b = rotated(b, 13n) ^ a;
      d = rotated(d, 16n) ^ c;
      a = rotated(a, 32n);
      c = (c + b) & MASK;
      a = (a + d) & MASK;
      b = rotated(b, 17n) ^ c;
      d = rotated(d, 21n) ^ a;
      c = rotated(c, 32n);
    }
  };
  const padded = new Uint8Array((bytes.length >> 3) * 8 + 8);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length;
  for (let at = 0; at < padded.length; at += 8) {
    const word = little(padded.subarray(at, at + 8));
    d ^= word;
    rounds(2);
    a ^= word;
  }
  c ^= 0xffn;
  rounds(4);
  return a ^ b ^ c ^ d;
}

/** Ranks in the bytes of a stored sketch. @throws Error where they are of no known form */
export function storedRanks(bytes: Uint8Array): Map<number, number> {
  const ranks = new Map<number, number>();
  if (bytes[0] === 2 && bytes.length === 1 + REGISTERS) {
    for (let register = 0; register < REGISTERS; register++) {
      const rank = bytes[1 + register]!;
      if (rank > 0) ranks.set(register, rank);
    }
    return ranks;
  }
  if (bytes[0] !== 1 || bytes.length % 3 !== 1) throw new Error(`a sketch of ${bytes.length} bytes, first ${bytes[0]}`);
  for (let at = 1; at < bytes.length; at += 3) {
    const update = bytes[at]! * 65536 + bytes[at + 1]! * 256 + bytes[at + 2]!;
    ranks.set(Math.floor(update / 64), update % 64);
  }
  return ranks;
}
