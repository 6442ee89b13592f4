// Page cursors: what a list gives out comes back to it, and every other text is a problem that names the cursor.
import {
  CURSOR_INT4,
  CURSOR_INT8,
  CURSOR_MICROS,
  CURSOR_TIME,
  CURSOR_UUID,
  type CursorPart,
  decodeCursor,
  encodeCursor,
} from "../../src/http/server/cursor.ts";
import { HttpProblem } from "../../src/http/server/problem.ts";
import {
  type ContributionCursor,
  decodeContributionCursor,
  encodeContributionCursor,
} from "../../src/report/report_query.ts";
import { type Below, type Chance, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf, type Verdict } from "./target.ts";

const LISTS: Readonly<Record<string, readonly CursorPart[]>> = {
  windows: [CURSOR_TIME],
  late: [CURSOR_TIME],
  dead: [CURSOR_INT8],
  samples: [CURSOR_MICROS, CURSOR_INT4, CURSOR_INT8],
  commits: [CURSOR_MICROS, CURSOR_UUID],
};
const NAMES = [...Object.keys(LISTS), "contributions"];

/** What each list gives out: integers as numbers where they are exact, else as text, as its rows have them. */
function given(name: string, { below, once, int, pick }: Chance): string {
  const time = () =>
    once(4) ? pick([-62_135_596_800_000, 0, 253_402_300_799_999]) : int(0, 2 ** 21) * 2 ** 20 + below(2 ** 20);
  const bigint = () => once(4) ? pick(["0", "9223372036854775807"]) : String(below(2 ** 30));
  const micros = () => String(BigInt(time()) * 1000n + BigInt(below(1000)));
  const hex = (digits: number) => Array.from({ length: digits }, () => below(16).toString(16)).join("");
  switch (name) {
    case "windows":
    case "late":
      return encodeCursor(name, [time()]);
    case "dead":
      return encodeCursor(name, [bigint()]);
    case "samples":
      return encodeCursor(name, [micros(), once(4) ? 2 ** 31 - 1 : below(100), below(2 ** 31) * 2 ** 20]);
    case "commits":
      return encodeCursor(name, [micros(), `${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`]);
    default: {
      const place = () => pick(["", "AU", "New South Wales", "東京", "😀", 'a"b\\', "\x1f"]);
      return encodeContributionCursor([
        once(4) ? pick([2 ** 53 - 1, 1 - 2 ** 53]) : int(-1e6, 1e6),
        place(),
        place(),
        place(),
      ]);
    }
  }
}

/** Shapes that are no cursor, or another list's. */
function odd({ pick, once, many, int }: Chance): string {
  const values = many(
    4,
    () =>
      pick<unknown>([
        0,
        -1,
        1.5,
        1e300,
        2 ** 53,
        "1",
        "01",
        "x",
        "",
        null,
        true,
        [],
        {},
        "9".repeat(25),
        "1; drop table stream",
        "\u0000",
        "\ud800",
      ]),
  );
  const text = JSON.stringify(
    once(3) ? [pick(NAMES), ...values] : once(2) ? values : pick<unknown>([{}, null, "x", 1]),
  );
  const encoded = new TextEncoder().encode(text).toBase64({ alphabet: "base64url", omitPadding: true });
  return once(4) ? encoded + "=".repeat(int(1, 3)) : encoded;
}

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const { once, pick } = chance;
  const name = pick(NAMES);
  if (once(3)) return textCase(given(name, chance), `${name} given`);
  const text = once(4) ? odd(chance) : given(once(8) ? pick(NAMES) : name, chance);
  return {
    variant: `${name} any`,
    input: once(4) ? new TextEncoder().encode(text) : mutated(new TextEncoder().encode(text), below),
  };
}

/** Decodes, and encodes again: `undefined` where it was refused by its name. */
function throughAndBack(name: string, text: string): string | undefined {
  if (name === "contributions") {
    const cursor = decodeContributionCursor(text);
    if (!("field" in cursor)) return encodeContributionCursor(cursor as ContributionCursor);
    return cursor.field === "cursor" ? undefined : `a problem about ${cursor.field}`;
  }
  try {
    const values = decodeCursor(name, LISTS[name]!, text)!;
    // Text or number is what the list gave out, and both come back as text: one of the choices must give the cursor.
    for (let choice = 0; choice < 1 << values.length; choice++) {
      const chosen = encodeCursor(name, values.map((value, i) => (choice >> i) & 1 ? Number(value) : value));
      if (chosen === text) return text;
    }
    return encodeCursor(name, values);
  } catch (error) {
    if (error instanceof HttpProblem && error.status === 400 && error.errors[0]?.field === "cursor") return undefined;
    throw error;
  }
}

const judge: Judge = {
  check(found): Verdict {
    const [name, origin] = found.variant.split(" ") as [string, string];
    const text = textOf(found), back = throughAndBack(name, text);
    if (back !== undefined && back !== text) {
      return faulty("taken", `${name} takes ${text}, which it would write as ${back}`);
    }
    if (origin === "given" && back === undefined) return faulty("given", `${name} does not take back ${text}`);
    return sound(origin === "given" ? "given" : back === undefined ? "refused" : "taken");
  },
};

export const cursorTarget: Target = {
  name: "cursor",
  holds:
    "a list takes back what it gave out, refuses other texts by the name of the cursor, and takes nothing that it would write otherwise",
  generate,
  open: () => judge,
  shares: { given: 0.2, refused: 0.3, taken: 0.05 },
  testCases: 10_000,
};
