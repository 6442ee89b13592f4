// A sample of a value that could not be counted, without personal data. No I/O.
// It masks too much rather than too little: also a version number that looks like an address.

/** Largest sample in UTF-8 bytes. */
export const SAMPLE_BYTES_MAX = 1024;
/** Bytes of the value that are read: enough for a full sample of an ordinary event after masking. */
const LOOKED_AT_BYTES = 4 * 1024;

const ADDRESS = "[address]";
const HIDDEN = "[hidden]";

/** Names whose whole value is hidden. */
const ADDRESS_KEY =
  /^(?:ip|.*[_-]ip|ip[_-].*|remote[_-]?addr(?:ess)?|client[_-]?addr(?:ess)?|x-forwarded-for|x-real-ip|forwarded)$/i;
const SECRET_NAMES =
  "headers?|cookies?|set-cookie|(?:proxy-)?authorization|password|passwd|secret|token|api[_-]?key|session(?:id)?|x-[a-z0-9-]+";
const SECRET_KEY = new RegExp(`^(?:${SECRET_NAMES})$`, "i");

// Each repetition below is bounded or cannot begin within itself, so that no text takes quadratic time.
const GROUPS = "[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,7}";
const V4 = String.raw`\d{1,3}(?:\.\d{1,3}){3}`;
// Eight groups, or any two runs of groups around "::"; a time like 10:05:03 is neither.
const V6 = `(?:[0-9a-f]{1,4}:){6,7}(?:${V4}|[0-9a-f]{1,4})|(?:${GROUPS})?::(?:(?:${GROUPS}:)?${V4}|${GROUPS})?`;
const ADDRESSES = new RegExp(`${V6}|${V4}`, "gi");

const CREDENTIALS = /(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>\/?#]*@/gi;
const QUERY = /[?#][^\s"'<>]*/g;
/** Pairs joined by `&`: a query or form body without its question mark. */
const FORM = /(?<![\w.%~[\]-])[\w.%~[\]-]+=[^\s"'&]*(?:&[^\s"'&]*)+/g;
const WHOLE_URL = /^(?:[a-z][a-z0-9+.-]*:)?\/\//i;

/**
 * A sample of the value `bytes[start, end)` of at most {@link SAMPLE_BYTES_MAX} bytes: valid text without U+0000.
 *
 * Keys, types and nesting are kept. Addresses become `[address]`; values of `ip` fields, headers and fields that are named like secrets
 * become `[address]` or `[hidden]`; URLs lose their query, fragment, user name and password. Other text than JSON gets the same masks.
 */
export function maskPayload(bytes: Uint8Array, start: number, end: number): string {
  const whole = end - start <= LOOKED_AT_BYTES;
  const text = new TextDecoder().decode(bytes.subarray(start, whole ? end : start + LOOKED_AT_BYTES));
  return cap(printable((whole ? maskJson(text) : undefined) ?? maskLoose(text, !whole)));
}

function maskJson(text: string): string | undefined {
  try {
    return JSON.stringify(maskValue(JSON.parse(text)));
  } catch {
    return undefined; // not JSON, or nested too deeply to walk
  }
}

function maskValue(value: unknown): unknown {
  if (typeof value === "string") return maskString(value);
  // Numbers stay; below, the name of a field also masks an address that is sent as a number.
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(maskValue);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      maskString(key),
      ADDRESS_KEY.test(key) ? ADDRESS : SECRET_KEY.test(key) ? HIDDEN : maskValue(inner),
    ]),
  );
}

function maskString(text: string): string {
  // If the whole text is a URL, a blank does not end its query.
  return maskText(WHOLE_URL.test(text) ? text.replace(/[?#].*$/s, "?…") : text);
}

function maskText(text: string): string {
  return text.replace(CREDENTIALS, "$1").replace(QUERY, "?…").replace(FORM, HIDDEN).replace(ADDRESSES, ADDRESS);
}

/** Masks other text than JSON: a line of a log, broken or cut JSON, a raw request. */
function maskLoose(text: string, cut: boolean): string {
  // Undoes escapes, which would hide a dot or a slash from the masks.
  let plain = text.replace(/\\u00([2-7][0-9a-f])/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll("\\/", "/");
  // A field of a broken object: its value ends at the next quote that ends a value, or with the text.
  plain = plain.replace(LOOSE_FIELD, (_, name) => `"${name}":"${ADDRESS_KEY.test(name) ? ADDRESS : HIDDEN}"`);
  plain = plain.replace(LOOSE_HEADER, `$1: ${HIDDEN}`);
  // A text that ends within a URL's authority may hold a password whose @ was cut off.
  plain = maskText(plain.replace(/:\/\/[^\s"\/?#]*:[^\s"\/?#]*$/, "://"));
  // The cut may have split a password or an address; the rest would not be recognised.
  return cut ? plain.replace(/:\/\/[^\s"\/]*$/, "").replace(/[^\s"]{0,64}$/, "") : plain;
}
const LOOSE_FIELD = new RegExp(
  String
    .raw`"(${SECRET_NAMES}|[a-z0-9_-]*ip[a-z0-9_-]*|forwarded|[a-z]+[_-]?addr(?:ess)?)"\s*:\s*(?:"(?:[^"\\]|\\[^]?)*"?|\{[^]*$|\[[^]*$|[^",}]*)`,
  "gi",
);
const LOOSE_HEADER = new RegExp(String.raw`^[ \t]*(${SECRET_NAMES}|forwarded|referer|via)[ \t]*:.*$`, "gim");

/** Replaces control characters other than tab and line ends, which would disturb terminals. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- on purpose
  return text.toWellFormed().replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, "\ufffd");
}

function cap(text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= SAMPLE_BYTES_MAX) return text;
  let cut = SAMPLE_BYTES_MAX - 3; // room for the ellipsis
  while ((bytes[cut]! & 0xc0) === 0x80) cut--;
  return `${new TextDecoder().decode(bytes.subarray(0, cut))}…`;
}
