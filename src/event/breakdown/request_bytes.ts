// Finds in the bytes of a request what decides its page and its campaign. No I/O; hot path, no allocation.
// The texts are JSON string tokens, so each of their characters may be an escape. Where a byte is not certain, more is taken than needed: the
// rules of page.ts and campaign.ts then decide. request_texts.ts is the slow and obvious twin.
import { NO_VIEW, noViewByStatus } from "../../breakdown/page.ts";

const QUOTE = 0x22,
  NUMBER_SIGN = 0x23,
  PERCENT = 0x25,
  DASH = 0x2d,
  SLASH = 0x2f,
  ZERO = 0x30,
  QUESTION = 0x3f,
  BACKSLASH = 0x5c;
const UNDERSCORE = 0x5f, LOWER_M = 0x6d, LOWER_T = 0x74, LOWER_U = 0x75;
const STATUS_DIGITS_MAX = 3;

/** Texts of the dimension `page` for hits that viewed none. Below, a reason is an index into this list. */
export const NO_VIEWS: readonly string[] = Object.values(NO_VIEW);
const NOT_GET = NO_VIEWS.indexOf(NO_VIEW.method);
const REDIRECT = NO_VIEWS.indexOf(NO_VIEW.redirect);
const ERROR = NO_VIEWS.indexOf(NO_VIEW.error);

/** Neither method nor status say that no page was viewed. */
export const VIEWED = -1;
/** The slow path has to decide. */
export const UNCERTAIN = -2;

/**
 * Why method or status alone say that no page was viewed: an index into {@link NO_VIEWS}, or {@link VIEWED}, or {@link UNCERTAIN}.
 *
 * @param methodStart bounds of the method without escapes; an empty range if it is missing
 * @param statusStart bounds of the status: of a text without escapes, between its quotes, or of any other JSON value
 */
export function noViewOf(
  b: Uint8Array,
  methodStart: number,
  methodEnd: number,
  statusStart: number,
  statusEnd: number,
): number {
  const isMissing = methodEnd === methodStart || (methodEnd === methodStart + 1 && b[methodStart] === DASH);
  if (!isMissing && !isGet(b, methodStart, methodEnd)) return NOT_GET;
  let status = 0, p = statusStart;
  for (; p < statusEnd && isDigit(b[p]!); p++) status = status * 10 + b[p]! - ZERO;
  if (p < statusEnd) return b[statusStart - 1] !== QUOTE && isNumber(b[statusStart]!) ? UNCERTAIN : VIEWED;
  if (p === statusStart || p - statusStart > STATUS_DIGITS_MAX) return VIEWED;
  const reason = noViewByStatus(status);
  return reason === undefined ? VIEWED : reason === "redirect" ? REDIRECT : ERROR;
}

const isDigit = (c: number) => c >= ZERO && c <= ZERO + 9;
/** Whether a JSON value that begins with `c` is a number, such as 2e2, whose value the slow path finds. */
const isNumber = (c: number) => isDigit(c) || c === DASH;

const isGet = (b: Uint8Array, start: number, end: number) =>
  end - start === 3 && b[start] === 0x47 && b[start + 1] === 0x45 && b[start + 2] === 0x54;

/** The parts of a URL that count, as positions in its token. */
export class UrlParts {
  /** Bounds of a text with the same page as the whole: at least without query and fragment, and without a plain authority. */
  pathStart = 0;
  pathEnd = 0;
  /** Bounds of a text with the same campaign as the whole; an empty range if it has none. */
  campaignStart = 0;
  campaignEnd = 0;
  /** Whether an escape before `pathEnd` may end the path. */
  isEscaped = false;

  /** Looks at the token `b[start, end)`. */
  find(b: Uint8Array, start: number, end: number): void {
    let p = this.pathStart = pathStartOf(b, start, end), isEscaped = false;
    for (; p < end; p++) {
      const c = b[p]!;
      if (c === QUESTION || c === NUMBER_SIGN) break;
      if (c === BACKSLASH && spellsPathEnd(b, p)) isEscaped = true;
    }
    this.isEscaped = isEscaped;
    this.pathEnd = this.campaignStart = this.campaignEnd = p;
    if (isEscaped) {
      // The query may begin before `p`.
      this.campaignStart = start;
      this.campaignEnd = end;
    } else if (p < end && b[p] === QUESTION) this.#findQuery(b, p, end);
  }

  #findQuery(b: Uint8Array, question: number, end: number): void {
    let p = question + 1, mayName = false;
    for (; p < end; p++) {
      const c = b[p]!;
      if (c === NUMBER_SIGN) break;
      if (c === UNDERSCORE) mayName ||= b[p - 1] === LOWER_M && b[p - 2] === LOWER_T && b[p - 3] === LOWER_U;
      else if (c === PERCENT) mayName ||= spellsName(b[p + 1]!, b[p + 2]!);
      else if (c === BACKSLASH) mayName ||= b[p + 1] === LOWER_U && !isOrdinaryEscape(b, p);
    }
    if (!mayName) return;
    this.campaignStart = question;
    this.campaignEnd = p;
  }
}

/** Where the path of an http or https URL begins: sites write many pages, and pages of many sites are the same. `start` of any other text. */
function pathStartOf(b: Uint8Array, start: number, end: number): number {
  if ((b[start]! | 0x20) !== 0x68) return start;
  if ((b[start + 1]! | 0x20) !== LOWER_T || (b[start + 2]! | 0x20) !== LOWER_T || (b[start + 3]! | 0x20) !== 0x70) {
    return start;
  }
  let p = start + 4;
  if ((b[p]! | 0x20) === 0x73) p++;
  if (p + 3 > end || b[p] !== 0x3a || b[p + 1] !== SLASH || b[p + 2] !== SLASH) return start;
  for (p += 3; p < end; p++) {
    const c = b[p]!;
    if (c === SLASH) return p;
    if (c === QUESTION || c === NUMBER_SIGN || c === BACKSLASH) return start;
  }
  return start;
}

/** Whether the escape at `p` may be a question mark or a number sign. */
function spellsPathEnd(b: Uint8Array, p: number): boolean {
  if (b[p + 1] !== LOWER_U || b[p + 2] !== ZERO || b[p + 3] !== ZERO) return false;
  const high = b[p + 4]!, low = b[p + 5]! | 0x20;
  return (high === 0x33 && low === 0x66) || (high === 0x32 && low === 0x33);
}

/** Whether the octet `%XX` with these digits may be one of the characters of `utm_`; its digits may be escapes. */
function spellsName(high: number, low: number): boolean {
  if (high === BACKSLASH || low === BACKSLASH) return true;
  const digit = low | 0x20;
  return (high === 0x37 && (digit === 0x34 || digit === 0x35)) || (high === 0x36 && digit === 0x64) ||
    (high === 0x35 && digit === 0x66);
}

/** Whether the escape `\u…` at `p` is beyond Latin-1, or one of & ' < = >, which some writers of JSON escape. */
function isOrdinaryEscape(b: Uint8Array, p: number): boolean {
  if (b[p + 2] !== ZERO || b[p + 3] !== ZERO) return true;
  const high = b[p + 4]!, low = b[p + 5]! | 0x20;
  return (high === 0x32 && (low === 0x36 || low === 0x37)) || (high === 0x33 && low >= 0x63 && low <= 0x65);
}
