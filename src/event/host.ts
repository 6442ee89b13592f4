// Which host an event counts for, by each version of the rules. No I/O.
import { trimBlanks } from "./text.ts";

const SLASH = 0x2f;
const BACKSLASH = 0x5c;
const ABSOLUTE_HTTP_URL = /^https?:\/\//i;

/**
 * Rules version 1: the host in lower case, or `undefined` without one (dead letter `missing_host`).
 *
 * A `host` that is not empty counts as sent, with its port. Otherwise the host of `url` counts, if that is an absolute http or https URL, in
 * the form of the URL standard: without user name, without the scheme's default port, in Punycode.
 */
export function hostOf(host: string | undefined, url: string | undefined): string | undefined {
  if (host !== undefined && host !== "") return host.toLowerCase();
  if (url === undefined || !ABSOLUTE_HTTP_URL.test(url)) return undefined;
  return URL.parse(url)?.host || undefined;
}

/** `fold`: all hosts that are addresses count as {@link ADDRESS_HOST}; `keep`: each counts as itself. */
export type HostAddresses = "fold" | "keep";

const ADDRESS_HOST = "(address)";
/** Replaces a text that cannot be the name of a host: blanks, quotes, a path. The event still counts. */
export const INVALID_HOST = "(invalid)";

/** A name in DNS has at most 253 characters; a port has up to 6 more. */
const HOST_CHARACTERS_MAX = 260;
const NAME_AND_PORT = /^[A-Za-z0-9._\u0080-\u{10ffff}-]+(?::\d*)?$/u;
const BRACKETED = /^\[([^\]%]*)(?:%[^\]]*)?\](:\d*)?$/;
const V4 = /^\d+\.\d+\.\d+\.\d+$/;

/**
 * Rules version 2: the host, or `undefined` if neither field names one (dead letter `missing_host`; for {@link isAddressList} `bad_host`).
 *
 * `host` by {@link hostNameOf}; otherwise the host of an absolute http or https `url` by the same rule.
 */
export function hostOfV2(
  host: string | undefined,
  url: string | undefined,
  addresses: HostAddresses,
): string | undefined {
  const named = host === undefined ? undefined : hostNameOf(host, addresses);
  if (named !== undefined || url === undefined || !ABSOLUTE_HTTP_URL.test(url)) return named;
  const ofUrl = URL.parse(url)?.host;
  return ofUrl ? hostNameOf(ofUrl, addresses) : undefined;
}

/**
 * The normal form of a host (docs/concepts.md, "Hosts"): without blanks around it, in lower case, in Punycode, without the ports 80 and 443,
 * without a dot at the end of the name. {@link ADDRESS_HOST} for an address unless addresses are kept, {@link INVALID_HOST} for a text that
 * is not a host. `undefined` for an empty text, `-`, and a list of addresses.
 */
export function hostNameOf(sent: string, addresses: HostAddresses): string | undefined {
  const text = trimBlanks(sent);
  if (text === "" || text === "-" || isAddressList(text)) return undefined;
  const host = parseHost(text);
  if (host === undefined) return INVALID_HOST;
  return host.isAddress && addresses === "fold" ? ADDRESS_HOST : host.name;
}

/** Whether a text is a forwarded-for list: entries between commas, at least one of them an address, none a name. */
export function isAddressList(text: string): boolean {
  if (!text.includes(",")) return false;
  const entries = text.split(",", 64).map(trimBlanks).filter((entry) =>
    entry !== "" && entry !== "-" && entry !== "unknown"
  );
  return entries.length > 0 && entries.every((entry) => parseHost(entry)?.isAddress);
}

function parseHost(text: string): { readonly name: string; readonly isAddress: boolean } | undefined {
  if (text.length > HOST_CHARACTERS_MAX) return undefined;
  const bracketed = BRACKETED.exec(text);
  if (bracketed || text.indexOf(":") !== text.lastIndexOf(":")) {
    // Without brackets, two or more colons mean an IPv6 address.
    const [, address, port = ""] = bracketed ?? ["", text.replace(/%.*$/, "")];
    const url = address!.includes(":") ? URL.parse(`http://[${address}]${port}/`) : null;
    return url === null ? undefined : { name: url.hostname + portOf(url), isAddress: true };
  }
  const url = NAME_AND_PORT.test(text) ? URL.parse(`http://${text}/`) : null;
  const name = url === null ? "" : withoutLastDots(url.hostname);
  return name === "" ? undefined : { name: name + portOf(url!), isAddress: V4.test(name) };
}

function withoutLastDots(name: string): string {
  let end = name.length;
  while (name[end - 1] === ".") end--;
  return name.slice(0, end);
}

const portOf = ({ port }: URL) => port === "" || port === "443" ? "" : `:${port}`;

/**
 * One past the authority of the URL `bytes[start, end)`: the text up to there has the same {@link hostOf} and {@link hostOfV2} as the whole.
 * -1 if that is not certain, as with blanks: the URL standard trims them at a text's end, but refuses them within a host.
 */
export function urlAuthorityEnd(bytes: Uint8Array, start: number, end: number): number {
  let p = start + 4; // past "http", which hostOf checks
  if ((bytes[p]! | 0x20) === 0x73) p++;
  if (p + 3 > end || bytes[p] !== 0x3a || bytes[p + 1] !== SLASH || bytes[p + 2] !== SLASH) return -1;
  for (p += 3; p < end; p++) {
    const c = bytes[p]!;
    if (c === SLASH || c === 0x3f || c === 0x23) return p;
    if (c <= 0x20 || c >= 0x7f || c === BACKSLASH) return -1;
  }
  return end;
}
