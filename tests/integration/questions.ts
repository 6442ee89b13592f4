// The questions of docs/questions.md, each answered in a browser by as few clicks as it takes. A choice in a list and a text that is typed
// count as a click each. No I/O of its own: the test gives the page.
import type { Locator, Page } from "playwright-core";
import { assert, assertEquals, assertMatch } from "@std/assert";

/** A reader who counts what they do. */
export class Reader {
  clicks = 0;
  constructor(readonly page: Page, readonly url: string) {}

  async click(what: string | Locator, text?: string | RegExp): Promise<void> {
    await this.#find(what, text).click();
    this.clicks++;
  }
  /** Clicks what leads to another address, and waits for it. */
  async follow(what: string | Locator, to: RegExp, text?: string | RegExp): Promise<void> {
    await this.click(what, text);
    await this.page.waitForURL(to);
  }
  async choose(name: string, value: string): Promise<void> {
    await this.page.locator(`select[name=${name}]`).selectOption(value);
    this.clicks++;
  }
  async type(selector: string, text: string): Promise<void> {
    await this.page.locator(selector).fill(text);
    this.clicks++;
  }
  text(selector: string): Promise<string> {
    return this.page.locator(selector).first().innerText();
  }
  #find(what: string | Locator, text: string | RegExp | undefined): Locator {
    const found = typeof what === "string" ? this.page.locator(what) : what;
    return (text === undefined ? found : found.filter({ hasText: text })).first();
  }
}

interface Question {
  readonly asks: string;
  readonly clicks: number;
  readonly answer: (reader: Reader) => Promise<void>;
}

const DAY = 86_400_000;
const day = (ago: number) => new Date(Date.now() - ago * DAY).toISOString().slice(0, 10);
const chips = async (reader: Reader) => (await reader.text(".chips")).replace(/\s+/g, " ");
const totals = (reader: Reader) => reader.text("#totals");

export const QUESTIONS: readonly Question[] = [
  {
    asks: "How many hits today so far, and is that more than yesterday by this time?",
    clicks: 1,
    async answer(reader) {
      await reader.follow(".ranges a", /range=today/, "Today");
      assertMatch(await totals(reader), /Change\n.*\nagainst .*until \d\d:\d\d/);
    },
  },
  {
    asks: "How was yesterday?",
    clicks: 1,
    async answer(reader) {
      await reader.follow(".ranges a", /range=yesterday/, "Yesterday");
      assertMatch(await totals(reader), /^Totals\nHits\n[\d,]+\n/i);
    },
  },
  {
    asks: "How is this month against the same days of a year ago?",
    clicks: 2,
    async answer(reader) {
      await reader.follow(".ranges a", /range=month/, "This month");
      await reader.choose("compare", "previous_year");
      await reader.page.waitForURL(/compare=previous_year/);
      assertMatch(await totals(reader), /does not cover both periods|against/);
    },
  },
  {
    asks: "Which weeks of this year were the strongest?",
    clicks: 1,
    async answer(reader) {
      await reader.follow(".ranges a", /range=year/, "This year");
      assertMatch(await reader.text("#series h2"), /Hits per week/i);
    },
  },
  {
    asks: "How many hits between two dates of mine?",
    clicks: 2,
    async answer(reader) {
      await reader.type("input[name=from]", day(4));
      await reader.page.waitForURL(/from=/);
      await reader.type("input[name=to]", day(2));
      await reader.page.waitForURL(new RegExp(`to=${day(2)}`));
      assertEquals(await reader.page.locator("input[name=from]").inputValue(), day(4));
    },
  },
  {
    asks: "Which city sends most?",
    clicks: 0,
    answer: async (reader) => assertMatch(await reader.text("#cities tbody tr"), /Springfield|Munich|Berlin/),
  },
  {
    asks: "What do visitors from Germany look at, and where do they come from?",
    clicks: 1,
    async answer(reader) {
      await reader.follow("#table td a", /country/, "Germany");
      assertMatch(await reader.text("#hosts"), /www\.example\.com/);
      assertMatch(await chips(reader), /country is Germany/);
    },
  },
  {
    asks: "And all others, without Germany?",
    clicks: 2,
    async answer(reader) {
      await reader.follow("#table td a", /country/, "Germany");
      await reader.follow(".chips .flip", /is_not/);
      assertMatch(await chips(reader), /country is not Germany/);
    },
  },
  {
    asks: "How is one of my sites doing?",
    clicks: 1,
    async answer(reader) {
      await reader.follow("#hosts a", /shop/, "shop.example.com");
      assertMatch(await totals(reader), /Change/);
    },
  },
  {
    asks: "How much comes from Google, under all its domains?",
    clicks: 0,
    async answer(reader) {
      assertEquals(await reader.page.locator("#sources tbody tr", { hasText: "Google" }).count(), 1);
    },
  },
  {
    asks: "Under which addresses does Google appear?",
    clicks: 1,
    async answer(reader) {
      const google = reader.page.locator("#sources tbody tr", { hasText: "Google" });
      await reader.click(google.locator("summary"));
      assert(await google.locator(".parts li").count() > 1);
    },
  },
  {
    asks: "Search, social, direct: how are they shared out?",
    clicks: 0,
    answer: async (reader) => assertMatch(await reader.text("#channels"), /direct[^]*search|search[^]*direct/),
  },
  {
    asks: "How did the hits from search engines go over time?",
    clicks: 1,
    async answer(reader) {
      await reader.follow("#channels a", /channel/, "search");
      assertEquals(await reader.page.locator("#series .large path.b").count() > 0, true);
    },
  },
  {
    asks: "How many hits have a word in their referrer?",
    clicks: 4,
    async answer(reader) {
      await reader.click("#more summary");
      await reader.choose("field", "referrer");
      await reader.choose("op", "contains");
      await reader.type("input[name=value]", "google");
      await reader.page.keyboard.press("Enter");
      await reader.page.waitForURL(/contains/);
      assertMatch(await chips(reader), /referrer contains google/);
    },
  },
  {
    asks: "How much of it are bots?",
    clicks: 0,
    answer: async (reader) => assertMatch(await totals(reader), /Bots\n[\d,]+\n[\d.]+% of all hits/),
  },
  {
    asks: "What is left without bots?",
    clicks: 2,
    async answer(reader) {
      await reader.click("#more summary");
      await reader.choose("traffic", "human");
      await reader.page.waitForURL(/traffic=human/);
      assertMatch(await totals(reader), /Hits by humans/);
    },
  },
  {
    asks: "How do the days look in another time zone?",
    clicks: 1,
    async answer(reader) {
      await reader.type("input[name=tz]", "Asia/Tokyo");
      await reader.page.keyboard.press("Enter");
      await reader.page.waitForURL(/tz=Asia/);
      assertMatch((await reader.page.locator("#series .large text").allTextContents()).join(), /Asia\/Tokyo/);
    },
  },
  {
    asks: "Which place gained or lost most?",
    clicks: 1,
    async answer(reader) {
      await reader.click("#contributions th", "Change");
      assertEquals(await reader.page.locator("#contributions th[aria-sort]").count(), 1);
    },
  },
  {
    asks: "How is one small city doing?",
    clicks: 2,
    async answer(reader) {
      await reader.follow("#table a", /rows=all/, "Show all");
      await reader.type("#search-contributions", "ville 17");
      assertEquals(await reader.page.locator("#contributions tbody tr:visible").count(), 1);
    },
  },
  {
    asks: "How do I take the table to a spreadsheet?",
    clicks: 1,
    async answer(reader) {
      const downloading = reader.page.waitForEvent("download");
      await reader.click("#table .links a", /^CSV$/);
      await (await downloading).path();
    },
  },
  {
    asks: "How many hits will there be tomorrow?",
    clicks: 0,
    answer: async (reader) => assertMatch(await totals(reader), /Forecast/),
  },
  {
    asks: "What happened on that day? (a release that I note)",
    clicks: 3,
    async answer(reader) {
      await reader.click("#notes summary");
      await reader.type("#notes input[name=note]", "release 2.2");
      await reader.click("#notes button", "Add note");
      await reader.page.locator("#series .marks", { hasText: "release 2.2" }).waitFor();
    },
  },
  {
    asks: "How do I get back to what I looked at last week?",
    clicks: 3,
    async answer(reader) {
      await reader.click("#views summary");
      await reader.type("#views input[name=name]", "my week");
      await reader.click("#views button", "Save view");
      await reader.page.locator("#views summary", { hasText: "Views (1)" }).waitFor();
    },
  },
  {
    asks: "Was every line counted, and none twice?",
    clicks: 1,
    async answer(reader) {
      await reader.follow("nav a", /pipeline/, "Pipeline");
      assertMatch(await reader.text("#ledger"), /Balanced: nothing lost, nothing doubled/);
    },
  },
  {
    asks: "Which lines could not be read, and why?",
    clicks: 1,
    async answer(reader) {
      await reader.follow("nav a", /pipeline/, "Pipeline");
      assertMatch(await reader.text("#dead"), /Dead letters: \d|None: every record could be read/);
    },
  },
  {
    asks: "Which pages are read most?",
    clicks: 0,
    answer: async (reader) => assertMatch(await reader.text("#pages tbody tr"), /^\/\s+[\d,]+\s+[\d.]+%/),
  },
  {
    asks: "Which pages of one of my sites are read?",
    clicks: 1,
    async answer(reader) {
      await reader.follow("#hosts a", /shop/, "shop.example.com");
      assertMatch(await reader.text("#pages tbody tr"), /^\/cart\s/);
    },
  },
  {
    asks: "How is one page among hundreds doing?",
    clicks: 2,
    async answer(reader) {
      await reader.follow("#pages a", /all=page/, "Show all");
      await reader.type("#search-page", "preise");
      assertEquals(await reader.page.locator("#rows-page tbody tr:visible").count(), 1);
    },
  },
  {
    asks: "How do I take the list of pages to a spreadsheet?",
    clicks: 1,
    async answer(reader) {
      const downloading = reader.page.waitForEvent("download");
      await reader.click("#pages .links a", /^CSV$/);
      assertMatch(await Deno.readTextFile((await (await downloading).path())!), /\/preise\/für-vereine/);
    },
  },
  {
    asks: "How many hits viewed no page, and why?",
    clicks: 1,
    async answer(reader) {
      await reader.click("#reserved-page summary");
      assertMatch(await reader.text("#reserved-page .parts"), /styles, scripts, images[^]*redirects[^]*errors/);
    },
  },
  {
    asks: "How many visitors were there?",
    clicks: 0,
    answer: async (reader) => assertMatch(await totals(reader), /Visitors\n[\d,]+\nsum of UTC days; ±0\.81\s%/),
  },
  {
    asks: "How did visitors develop from day to day?",
    clicks: 1,
    async answer(reader) {
      await reader.follow(".ranges a", /range=28d/, "28 days");
      assertEquals(await reader.page.locator("#series .large path.visitors").count() > 0, true);
    },
  },
  {
    asks: "Which browsers, systems and devices do they use?",
    clicks: 0,
    async answer(reader) {
      assertMatch(await reader.text("#browsers tbody"), /Chrome[^]*Safari/);
      assertMatch(await reader.text("#systems tbody"), /Windows[^]*iOS/);
      assertMatch(await reader.text("#devices tbody"), /desktop|mobile/);
    },
  },
  {
    asks: "Which campaigns brought hits?",
    clicks: 0,
    answer: async (reader) => assertMatch(await reader.text("#campaigns tbody"), /newsletter[^]*google/),
  },
  {
    asks: "By which channels do they come in, without clicks inside the site?",
    clicks: 0,
    async answer(reader) {
      assertMatch(await reader.text("#entries tbody"), /direct[^]*search/);
      assertMatch(await reader.text("#entries .legend"), /From pages of the same host/);
    },
  },
];
