// The address grammar, the classes of addresses and the choice of a place against obvious twins.
import { isIPv4, isIPv6 } from "node:net";
import { ADDRESS_EMPTY, ADDRESS_V4, ADDRESS_V6, AddressParser, formatV4, formatV6 } from "../../src/geo/address.ts";
import { embeddedV4, isSpecialV4, isSpecialV6 } from "../../src/geo/address_class.ts";
import { openMmdbBytes } from "../../src/geo/mmdb/file.ts";
import { createPlaceLocator } from "../../src/geo/place_locator.ts";
import { V4_NETWORKS, V6_NETWORKS } from "../geo/geo_rig.ts";
import { type MmdbNetwork, writeMmdb } from "../support/mmdb_writer.ts";
import { type Below, type Chance, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf, type Verdict } from "./target.ts";

/** Ranges that no database can place, as the IANA registries and docs/concepts.md list them: [first address, prefix length]. */
const SPECIAL: readonly (readonly [address: string, prefixLength: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  // All of IPv6 but 2000::/3, in its seven parts.
  ["::", 3],
  ["4000::", 3],
  ["6000::", 3],
  ["8000::", 3],
  ["a000::", 3],
  ["c000::", 3],
  ["e000::", 3],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["3fff::", 20],
];

/** An address that is one of some range, or on its edge: where classes and trees go wrong. */
function addressValue({ below, once, pick, int }: Chance): { v6: boolean; value: bigint } {
  const v6 = once(2), bits = v6 ? 128n : 32n;
  let value = 0n;
  for (let i = 0; i < (v6 ? 8 : 2); i++) value = (value << 16n) | BigInt(once(4) ? 0 : below(0x10000));
  if (once(2)) {
    const known = pick(
      [...SPECIAL, ...V4_NETWORKS.map(networkOf), ...V6_NETWORKS.map(networkOf)].filter(([a]) =>
        a.includes(":") === v6
      ),
    );
    const width = bits - BigInt(known[1]), first = expand(known[0])!;
    value = first | (value & ((1n << width) - 1n));
    if (once(2)) value = first + (once(2) ? -1n : 0n) + (once(2) ? 1n << width : 0n);
    value = BigInt.asUintN(Number(bits), value);
  }
  if (v6 && once(4)) {
    value = pick([0xffffn << 32n, 0x64ff9bn << 96n, 0x2002n << 112n, 0x20010000n << 96n]) |
      (value & pick([0xffffffffn, (1n << 64n) - 1n]));
  }
  if (int(1, 50) === 1) value = 0n;
  return { v6, value };
}

const networkOf = ({ address, prefixLength }: MmdbNetwork) => [address, prefixLength] as const;

/** One of the many ways to write an address. */
export function addressText(chance: Chance): string {
  const { once, pick, below } = chance;
  const { v6, value } = addressValue(chance);
  if (!v6) {
    const text = [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
    return `${text}${once(5) ? `:${pick(["0", "80", "65535", "65536", "000080", ""])}` : ""}`;
  }
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  const dotted = once(4) ? [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".") : null;
  const parts = dotted === null ? groups : [...groups.slice(0, 6), dotted];
  let text = parts.join(":");
  if (once(2)) {
    // A run of groups left out; mostly one of zeros, so that the address stays.
    const from = below(parts.length), to = from + below(parts.length - from) + 1;
    text = `${parts.slice(0, from).join(":")}::${parts.slice(to).join(":")}`;
  }
  if (once(4)) text = text.toUpperCase();
  if (once(6)) text += pick(["%eth0", "%", "%1", "%en-0.1_~", `%${"a".repeat(64)}`, `%${"a".repeat(65)}`]);
  if (once(5)) text = `[${text}]${once(2) ? pick([":443", ":", ":99999", "x"]) : ""}`;
  return text;
}

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const { once, pick } = chance;
  if (once(40)) return textCase(pick(["", " ", "\t \t", "-", "unknown", "localhost"]));
  const text = `${once(10) ? pick([" ", "\t", "  "]) : ""}${addressText(chance)}${once(10) ? pick([" ", "\t"]) : ""}`;
  const given = textCase(text);
  return once(3) ? { variant: "", input: mutated(given.input, below) } : given;
}

/** The number that a valid address without port, zone and brackets writes, by its own text alone. */
function expand(text: string): bigint | undefined {
  if (isIPv4(text)) return text.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted) {
    const [a, b, c, d] = dotted.slice(1).map(Number) as [number, number, number, number];
    text = text.slice(0, dotted.index) + `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  }
  const [head = "", tail = ""] = text.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const missing = 8 - groups(head).length - groups(tail).length;
  return [...groups(head), ...new Array<string>(missing).fill("0"), ...groups(tail)].reduce(
    (sum, group) => sum * 65536n + BigInt(`0x${group}`),
    0n,
  );
}

interface Parsed {
  readonly kind: "empty" | "invalid" | "v4" | "v6";
  readonly value: bigint;
}

/** The platform's own validity, and arithmetic on split texts. */
function twin(text: string): Parsed {
  text = text.replace(/^[ \t]+|[ \t]+$/g, "");
  if (text === "") return { kind: "empty", value: 0n };
  const port = /^(.*?):(\d{1,5})$/s.exec(text);
  if (port && Number(port[2]) <= 65535 && (isIPv4(port[1]!) || /^\[.*\]$/s.test(port[1]!))) text = port[1]!;
  if (isIPv4(text)) return { kind: "v4", value: expand(text)! };
  const bracketed = /^\[(.*)\]$/s.exec(text);
  if (bracketed) text = bracketed[1]!;
  text = text.replace(/%[A-Za-z0-9._~-]{1,64}$/, "");
  if (text.includes("%") || !isIPv6(text)) return { kind: "invalid", value: 0n };
  const value = expand(text)!;
  return value >> 32n === 0xffffn ? { kind: "v4", value: value & 0xffffffffn } : { kind: "v6", value };
}

const inRange = (v6: boolean, value: bigint, ranges: readonly (readonly [string, number])[]) =>
  ranges.some(([address, prefixLength]) => {
    const width = (v6 ? 128n : 32n) - BigInt(prefixLength);
    return address.includes(":") === v6 && value >> width === expand(address)! >> width;
  });

/** The IPv4 address inside one of a transition mechanism. */
function inner(value: bigint): bigint | undefined {
  if (value >> 112n === 0x2002n) return (value >> 80n) & 0xffffffffn;
  if (value >> 96n === 0x20010000n) return ~value & 0xffffffffn;
  if (value >> 32n === 0x64ff9bn << 64n) return value & 0xffffffffn;
  return undefined;
}

/** `country/city` by walking through the list of networks, the narrowest that holds the address last. */
function placeTwin({ kind, value }: Parsed): string {
  if (kind === "empty") return "unknown/";
  if (kind === "invalid") return "invalid/";
  const carried = kind === "v6" ? inner(value) : undefined;
  if (carried !== undefined) return placeTwin({ kind: "v4", value: carried });
  const v6 = kind === "v6";
  if (inRange(v6, value, SPECIAL)) return "private/";
  const network = (v6 ? V6_NETWORKS : V4_NETWORKS).filter((known) => inRange(v6, value, [networkOf(known)]))
    .sort((a, b) => a.prefixLength - b.prefixLength).at(-1);
  if (network === undefined) return "unknown/";
  const { country_code, city } = network.record as { country_code: string; city: string };
  return `${country_code.toUpperCase()}/${city}`;
}

class AddressJudge implements Judge {
  readonly #parser = new AddressParser();
  readonly #v4 = openMmdbBytes(writeMmdb(V4_NETWORKS), "v4");
  readonly #v6 = openMmdbBytes(writeMmdb(V6_NETWORKS, { ipVersion: 6, recordSize: 28 }), "v6");
  #locator = createPlaceLocator({ v4: this.#v4, v6: this.#v6 });
  /** Digits around the text, which a reader past its ends would take for its own. */
  readonly #arena = new Uint8Array(4096).fill(0x31);

  restart(): void {
    this.#locator.replace({ v4: this.#v4, v6: this.#v6 });
  }

  check(given: Case): Verdict {
    const { input } = given, expected = twin(textOf(given));
    this.#arena.set(input, 1);
    this.#arena[input.length + 1] = 0x31;
    const kind = this.#parser.parse(this.#arena, 1, 1 + input.length), { words } = this.#parser;
    const found = kind === ADDRESS_V4
      ? `v4 ${formatV4(words[0]!)}`
      : kind === ADDRESS_V6
      ? `v6 ${formatV6(words)}`
      : kind === ADDRESS_EMPTY
      ? "empty "
      : "invalid ";
    const { value } = expected;
    const wanted = `${expected.kind} ${
      expected.kind === "v4"
        ? [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".")
        : expected.kind === "v6"
        ? Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(":")
        : ""
    }`;
    if (found !== wanted) return faulty(expected.kind, `is ${found}, the twin says ${wanted}`);
    if (kind === ADDRESS_V4 && isSpecialV4(words[0]!) !== inRange(false, value, SPECIAL)) {
      return faulty(expected.kind, `${found} is special: ${isSpecialV4(words[0]!)}`);
    }
    if (kind === ADDRESS_V6) {
      const carried = embeddedV4(words), expectedInner = inner(value);
      if (carried !== Number(expectedInner ?? -1n)) {
        return faulty("v6", `${found} carries ${carried}, the twin says ${expectedInner}`);
      }
      if (expectedInner === undefined && isSpecialV6(words) !== inRange(true, value, SPECIAL)) {
        return faulty("v6", `${found} is special: ${isSpecialV6(words)}`);
      }
    }
    // Twice: from the tree, then from the caches.
    for (const sight of ["first", "second"]) {
      const { countryCode, city } = this.#locator.place(this.#locator.locate(this.#arena, 1, 1 + input.length));
      const place = placeTwin(expected);
      if (`${countryCode}/${city}` !== place) {
        return faulty(
          expected.kind,
          `${found} lies at ${sight} sight in ${countryCode}/${city}, by the list in ${place}`,
        );
      }
    }
    return sound(placeTwin(expected) === "private/" ? "private" : expected.kind);
  }
}

export const addressTarget: Target = {
  name: "address",
  holds:
    "an address, its class and its place are those of node:net, BigInt ranges and a list of networks; nothing is read outside its bytes",
  generate,
  open: () => new AddressJudge(),
  shares: { v4: 0.1, v6: 0.03, private: 0.1, invalid: 0.1, empty: 0.002 },
  testCases: 20_000,
};
