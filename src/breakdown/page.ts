// The page of a request: its path in one normal form, and whether the request viewed a page. Pure. Linear in the text; never throws.
// The normal form is that of RFC 3986 section 6.2.2, with these choices where it leaves one: characters beyond ASCII are written as
// themselves unless they cannot be seen, empty segments and a last slash do not matter, letters keep their case.

/** Extensions of files that a page brings with it or offers to download, by kind. A request for one is a hit, but no page view. */
export const ASSET_EXTENSIONS: Readonly<Record<string, string>> = {
  style: "css less scss",
  script: "js mjs cjs ts wasm map",
  image: "avif bmp cur gif ico jpeg jpg jxl png svg svgz tif tiff webp",
  font: "eot otf ttf woff woff2",
  media: "aac avi flac flv m3u8 m4a m4s m4v mov mp3 mp4 mpeg mpg oga ogg ogv opus swf vtt wav webm wmv",
  data: "atom csv json jsonld rss txt webmanifest xml yaml yml",
  document: "doc docx epub odp ods odt pdf ppt pptx xls xlsx",
  archive: "7z apk br bz2 deb dmg exe gz iso jar msi rar rpm tar tgz xz zip zst",
};

const ASSETS: ReadonlySet<string> = new Set(Object.values(ASSET_EXTENSIONS).flatMap((list) => list.split(" ")));
const EXTENSION_CHARACTERS_MAX = 11;
/**
 * Longest path that is read: web servers refuse a longer request line (nginx and Apache httpd at 8 KiB). It bounds the cost of a hostile value,
 * of which the normal form takes up to half a microsecond a character.
 */
export const PATH_CHARACTERS_MAX = 8192;

/**
 * Values of the dimension `page` for hits that viewed none. A path begins with a slash, so none is taken for one of these. Sums over all
 * values are the hits; sums over values that begin with a slash are the page views.
 */
export const NO_VIEW = {
  asset: "(asset)",
  method: "(not GET)",
  redirect: "(redirect)",
  error: "(error)",
  none: "(no path)",
  tooLong: "(path too long)",
} as const;

/** A request as its log gives it. `undefined`: the log does not say. */
interface PageRequest {
  /** Path and query (`/a?b`), an absolute URL, or anything that a client has sent in place of them. */
  readonly url?: string | undefined;
  readonly method?: string | undefined;
  /** Status of the answer; 0 = none was sent. */
  readonly status?: number | undefined;
}

/**
 * The value under which a hit counts in the dimension `page`.
 *
 * @param cap shortens a text to the longest that is stored, as `cleanText` does
 */
export function pageValue(request: PageRequest, cap: (text: string) => string): string {
  const reason = noView(request);
  if (reason !== undefined) return NO_VIEW[reason];
  const sent = sentPath(request.url);
  if (sent === undefined) return NO_VIEW.none;
  if (sent.length > PATH_CHARACTERS_MAX) return NO_VIEW.tooLong;
  const path = normalPath(sent);
  return isAsset(path) ? NO_VIEW.asset : cap(path);
}

/** Why method or status alone say that no page was viewed; one that is missing says nothing. 304 shows the page from a cache. */
function noView({ method, status }: PageRequest): "method" | "redirect" | "error" | undefined {
  if (method !== undefined && method !== "GET") return "method";
  return status === undefined ? undefined : noViewByStatus(status);
}

/** Why an answer of this status showed no page; `undefined` if it showed one. */
export function noViewByStatus(status: number): "redirect" | "error" | undefined {
  if ((status >= 200 && status < 300) || status === 304) return undefined;
  return status >= 300 && status < 400 ? "redirect" : "error";
}

/** Whether the last segment of a path in normal form has one of {@link ASSET_EXTENSIONS}, in any case. */
export function isAsset(path: string): boolean {
  const dot = path.lastIndexOf(".");
  if (dot < 0 || path.length - dot - 1 > EXTENSION_CHARACTERS_MAX) return false;
  return ASSETS.has(path.slice(dot + 1).toLowerCase());
}

/** The path of a URL or request target in normal form, without query and fragment; `undefined` if it has none (`*`, `host:443`, empty). */
export function pagePath(url: string | undefined): string | undefined {
  const sent = sentPath(url);
  return sent === undefined ? undefined : normalPath(sent);
}

/** What most paths are, and in normal form as sent: segments of letters, digits, hyphens and underscores. */
const NORMAL = /^(?:\/[\w-]+)+$/;

const normalPath = (sent: string) => NORMAL.test(sent) ? sent : withoutDots(normalCharacters(sent));

function sentPath(url: string | undefined): string | undefined {
  const start = url === undefined ? -1 : pathStart(url);
  return start < 0 ? undefined : url!.slice(start, pathEnd(url!, start));
}

const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]{0,31}:\/\//;

/** Where the path of `url` begins; -1 if it has none. The end of an absolute URL's authority is an empty path. */
function pathStart(url: string): number {
  if (url.charCodeAt(0) === SLASH) return 0;
  const scheme = ABSOLUTE.exec(url);
  if (scheme === null) return -1;
  let at = scheme[0].length;
  while (at < url.length && !isAuthorityEnd(url.charCodeAt(at))) at++;
  return at;
}

const isAuthorityEnd = (c: number) => c === SLASH || c === QUESTION || c === NUMBER_SIGN;

function pathEnd(url: string, start: number): number {
  for (let i = start; i < url.length; i++) {
    const c = url.charCodeAt(i);
    if (c === QUESTION || c === NUMBER_SIGN) return i;
  }
  return url.length;
}

const SLASH = 0x2f;
const QUESTION = 0x3f;
const NUMBER_SIGN = 0x23;
const PERCENT = 0x25;

const isLetterOrDigit = (c: number) => (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a);
/** RFC 3986 `unreserved`: their encoded form means the same, so it is decoded. */
const isUnreserved = (c: number) => isLetterOrDigit(c) || "-._~".includes(String.fromCharCode(c));
/** RFC 3986 `pchar` and the slash: they stay as sent. */
const PLAIN: readonly boolean[] = Array.from(
  { length: 0x80 },
  (_, c) => isUnreserved(c) || "!$&'()*+,;=:@/".includes(String.fromCharCode(c)),
);

/**
 * First and last code points of characters beyond ASCII that stay encoded: controls, blanks, marks of direction, what has no shape. A table of
 * our own and not a class of regular expressions: that one may change with the engine's version, and a replay must give the same pages.
 */
const UNSEEN: readonly (readonly [number, number])[] = [
  [0x80, 0xa0],
  [0xad, 0xad],
  [0x600, 0x605],
  [0x61c, 0x61c],
  [0x6dd, 0x6dd],
  [0x70f, 0x70f],
  [0x890, 0x891],
  [0x8e2, 0x8e2],
  [0x115f, 0x1160],
  [0x1680, 0x1680],
  [0x180b, 0x180f],
  [0x2000, 0x200f],
  [0x2028, 0x202f],
  [0x205f, 0x206f],
  [0x2800, 0x2800],
  [0x3000, 0x3000],
  [0x3164, 0x3164],
  [0xd800, 0xf8ff],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xffff],
  [0x110bd, 0x110bd],
  [0x110cd, 0x110cd],
  [0x13430, 0x1343f],
  [0x1bca0, 0x1bcaf],
  [0x1d173, 0x1d17a],
  [0xe0000, 0x10ffff],
];
const isUnseen = (point: number) => UNSEEN.some(([first, last]) => point >= first && point <= last);

const octet = (value: number) => `%${value.toString(16).toUpperCase().padStart(2, "0")}`;

/** Writes each character in its normal form: as itself, or as its UTF-8 bytes with capital hex digits. */
function normalCharacters(path: string): string {
  let out = "";
  let from = 0;
  for (let i = 0; i < path.length;) {
    const c = path.charCodeAt(i);
    if (c < 0x80 && PLAIN[c]) {
      i++;
      continue;
    }
    out += path.slice(from, i);
    if (c === PERCENT) {
      const { text, length } = normalTriplets(path, i);
      out += text;
      i += length;
    } else {
      const point = path.codePointAt(i)!;
      out += normalCharacter(point);
      i += point > 0xffff ? 2 : 1;
    }
    from = i;
  }
  return out + path.slice(from);
}

/** What is written for the `%` at `at`, and the number of characters that this replaces. One without two hex digits is a
 * character like others. */
function normalTriplets(path: string, at: number): { readonly text: string; readonly length: number } {
  const first = tripletAt(path, at);
  if (first < 0) return { text: "%25", length: 1 };
  if (first < 0x80) return { text: isUnreserved(first) ? String.fromCharCode(first) : octet(first), length: 3 };
  const size = first >= 0xc2 && first < 0xe0
    ? 2
    : first >= 0xe0 && first < 0xf0
    ? 3
    : first >= 0xf0 && first < 0xf5
    ? 4
    : 0;
  if (size === 0) return { text: octet(first), length: 3 };
  let point = first & (0xff >> (size + 1));
  for (let k = 1; k < size; k++) {
    const next = tripletAt(path, at + 3 * k);
    // -1, no triplet, has both bits.
    if ((next & 0xc0) !== 0x80) return { text: octet(first), length: 3 };
    point = (point << 6) | (next & 0x3f);
  }
  const isShortest = point >= [0, 0, 0x80, 0x800, 0x10000][size]!;
  if (!isShortest || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return { text: octet(first), length: 3 };
  return { text: normalCharacter(point), length: 3 * size };
}

/** The byte that `%XX` at `at` means; -1 if that is not there. */
function tripletAt(path: string, at: number): number {
  if (path.charCodeAt(at) !== PERCENT) return -1;
  const high = hexDigit(path.charCodeAt(at + 1)), low = hexDigit(path.charCodeAt(at + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** A character that is not {@link PLAIN}. A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD. */
function normalCharacter(point: number): string {
  if (point < 0x80) return octet(point);
  if (!isUnseen(point)) return String.fromCodePoint(point);
  const written = point >= 0xd800 && point < 0xe000 ? 0xfffd : point;
  return encodeURIComponent(String.fromCodePoint(written));
}

/** Removes empty segments, `.` and `..` with the segment before it, and the last slash. Nothing leads above the root. */
function withoutDots(path: string): string {
  if (path === "" || path === "/") return "/";
  if (!path.includes("//") && !path.includes("/.")) return path.endsWith("/") ? path.slice(0, -1) : path;
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") kept.pop();
    else kept.push(segment);
  }
  return `/${kept.join("/")}`;
}
