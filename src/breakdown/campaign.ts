// The campaign of a visit: utm_source, utm_medium and utm_campaign in the query of a URL. Pure. Linear in the text; never throws.
// The query is read as application/x-www-form-urlencoded (URL standard, section 5.1); of a repeated name the first value counts.
import { PART_END } from "./dimensions.ts";

/** An empty text where the URL does not name it. */
interface Campaign {
  readonly source: string;
  readonly medium: string;
  readonly name: string;
}

const NO_CAMPAIGN: Campaign = { source: "", medium: "", name: "" };
const FIELD_OF: Readonly<Record<string, keyof Campaign>> = {
  utm_source: "source",
  utm_medium: "medium",
  utm_campaign: "name",
};
/** Longest name that can be one of these: twelve characters, each as an octet. */
const NAME_CHARACTERS_MAX = 36;

/**
 * The campaign that `url` names in its query. Blanks at both ends of a value do not matter; letters keep their case. Control characters become
 * U+FFFD, so that no value can hold a separator of the store.
 *
 * @param cap shortens a text to the longest that is stored, as `cleanText` does
 */
export function campaignOf(url: string | undefined, cap: (text: string) => string): Campaign {
  const question = url === undefined ? -1 : url.indexOf("?");
  if (question < 0) return NO_CAMPAIGN;
  const fragment = url!.indexOf("#");
  if (fragment >= 0 && fragment < question) return NO_CAMPAIGN;
  const end = fragment < 0 ? url!.length : fragment;
  const found: Partial<Record<keyof Campaign, string>> = {};
  for (let start = question + 1; start < end;) {
    const ampersand = url!.indexOf("&", start);
    const stop = ampersand < 0 || ampersand > end ? end : ampersand;
    const nameEnd = endOfName(url!, start, stop);
    if (nameEnd - start <= NAME_CHARACTERS_MAX) {
      const field = fieldNamed(url!.slice(start, nameEnd));
      if (field !== undefined) found[field] ??= valueOf(url!.slice(nameEnd + 1, stop), cap);
    }
    start = stop + 1;
  }
  return { ...NO_CAMPAIGN, ...found };
}

/** Position of the first `=` of a pair, else its end; any beyond {@link NAME_CHARACTERS_MAX} if the name is longer. */
function endOfName(url: string, start: number, stop: number): number {
  const last = Math.min(stop, start + NAME_CHARACTERS_MAX + 1);
  for (let i = start; i < last; i++) if (url[i] === "=") return i;
  return last;
}

function fieldNamed(sent: string): keyof Campaign | undefined {
  const name = /[%+]/.test(sent) ? decoded(sent) : sent;
  return Object.hasOwn(FIELD_OF, name) ? FIELD_OF[name] : undefined;
}

function valueOf(sent: string, cap: (text: string) => string): string {
  // deno-lint-ignore no-control-regex
  return cap(decoded(sent).replace(/[\0-\x1f\x7f-\x9f]/g, "\ufffd").trim());
}

/** Blanks for `+`, characters for octets; octets that are not UTF-8 become U+FFFD. */
function decoded(sent: string): string {
  if (!/[%+]/.test(sent)) return sent.toWellFormed();
  // The standard's parser of one pair. The name keeps a value with `=` whole, and `&` cannot occur in it.
  return new URLSearchParams(`v=${sent.toWellFormed()}`).get("v")!;
}

/** The value of hits that name no campaign. */
export const CAMPAIGN_NONE = "(none)";

/** The value under which a hit counts in the dimension `campaign`: source, medium and name, separated by U+001E. */
export function campaignValue({ source, medium, name }: Campaign): string {
  return source === "" && medium === "" && name === "" ? CAMPAIGN_NONE : [source, medium, name].join(PART_END);
}
