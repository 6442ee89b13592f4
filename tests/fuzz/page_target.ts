// The page and the campaign of a URL: one normal form that has itself as its own, within its cap; the campaign as URLSearchParams reads it.
import { campaignOf } from "../../src/breakdown/campaign.ts";
import { NO_VIEW, pagePath, pageValue } from "../../src/breakdown/page.ts";
import { cleanText } from "../../src/event/text.ts";
import { type Below, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf, type Verdict } from "./target.ts";

const CAP_BYTES = 256;
const cap = (text: string) => cleanText(text, CAP_BYTES, 32);
const encoder = new TextEncoder();

const PIECES = [
  ...'/.?#&=%+ ;:@~\\"\0\x1f\x7f',
  "/",
  "//",
  "/..",
  "/.",
  "a",
  "B",
  "%2e",
  "%2F",
  "%41",
  "%c3%a9",
  "%C3",
  "%ff",
  "%e2%80%8b",
  "%",
  "%4",
  "é",
  "😀",
  "\u200b",
  "\ufeff",
  "\ud800",
  "http://h.example",
  "?utm_source=a",
  "&utm_medium=b+c",
  "&utm_campaign=%20d%20",
  "&utm_source=second",
  "utm%5fsource=e",
  "style.css",
  ".HTML",
];

function generate(below: Below): Case {
  const { many, pick, once } = chanceOf(below);
  const text = (once(8) ? "" : "/") + many(24, () => pick(PIECES)).join("") + (once(500) ? "/ab".repeat(4_000) : "");
  const given = textCase(text);
  return once(5) ? { ...given, input: mutated(given.input, below) } : given;
}

const judge: Judge = {
  check(given): Verdict {
    const url = textOf(given), path = pagePath(url), value = pageValue({ url }, cap);
    const outcome = path === undefined ? "none" : value === NO_VIEW.asset ? "asset" : "path";
    if (path === undefined) {
      if (value !== NO_VIEW.none) return faulty(outcome, `counts as ${value}`);
    } else {
      if (pagePath(path) !== path) return faulty(outcome, `${path} has another form, ${pagePath(path)}`);
      if (!path.startsWith("/") || /\/\/|\/\.\.?(?:\/|$)|[?#\\\p{Cc}\p{Zs}]|.\/$/u.test(path)) {
        return faulty(outcome, `${path} is not a normal form`);
      }
      if (encoder.encode(value).length > CAP_BYTES) return faulty(outcome, `counts as ${value.length} characters`);
    }
    // A first question mark is not a part of what it reads.
    const twin = new URLSearchParams(`?${queryOf(url)}`);
    const { source, medium, name } = campaignOf(url, cap);
    const found = [source, medium, name],
      expected = ["utm_source", "utm_medium", "utm_campaign"].map((key) =>
        cap((twin.get(key) ?? "").replace(/\p{Cc}/gu, "\ufffd").trim())
      );
    return found.join("\x1e") === expected.join("\x1e")
      ? sound(outcome)
      : faulty(outcome, `names the campaign ${JSON.stringify(found)}, the twin ${JSON.stringify(expected)}`);
  },
};

/** The text between the first question mark, unless it is in the fragment, and the fragment. */
function queryOf(url: string): string {
  const [before = ""] = url.toWellFormed().split("#");
  const question = before.indexOf("?");
  return question < 0 ? "" : before.slice(question + 1);
}

export const pageTarget: Target = {
  name: "page",
  holds:
    "a page is in a normal form that has itself as its own, within its cap; a campaign is as URLSearchParams reads it",
  generate,
  open: () => judge,
  shares: { path: 0.5, none: 0.02, asset: 0.002 },
  testCases: 20_000,
};
