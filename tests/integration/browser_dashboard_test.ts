// The questions that people ask a dashboard, in a real browser over a real database, each by as few clicks as it takes: filters, presets, zones,
// tables, phone, paper, and a log that ended long ago.
import type { Page } from "playwright-core";
import type { Sql } from "postgres";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { countBreakdowns, TWO_SITES } from "../http/breakdown_fixture.ts";
import { closeAll, commit, join, type KeyHits, MIN, WINDOW } from "../http/stream_fixture.ts";
import { startDashboard } from "./browser_fixture.ts";
import { QUESTIONS, Reader } from "./questions.ts";

const DAY = 24 * 60 * MIN;
const PLACES = [["DE", "Berlin", "Berlin"], ["DE", "Bavaria", "Munich"], ["US", "Illinois", "Springfield"]] as const;
const REFERRERS = [
  "",
  "https://www.google.com/",
  "https://www.google.co.uk/",
  "https://t.co/x",
  "https://www.example.com/a",
];

/** Fifteen days of traffic by two hosts up to the window that holds `end`, and forty small places. */
export function traffic(end: number) {
  return async (sql: Sql) => {
    const newest = Math.floor(end / WINDOW) * WINDOW;
    const first = newest - 15 * DAY;
    await join(sql, 1, { anchor: first });
    const hits: KeyHits[] = [];
    for (let at = first, n = 0; at <= newest; at += 120 * MIN, n++) {
      for (const [i, place] of PLACES.entries()) {
        const host = n % 3 === 0 ? "shop.example.com" : "www.example.com";
        hits.push({
          window: at,
          host,
          referrer: REFERRERS[(n + i) % REFERRERS.length]!,
          hits: 1_000 * (10 + i),
          bots: 1_000 * i,
          place,
        });
      }
    }
    for (let i = 0; i < 40; i++) {
      hits.push({ window: newest, host: "www.example.com", hits: 1, place: ["FR", "Région", `Ville ${i}`] });
    }
    const counted = hits.reduce((sum, key) => sum + key.hits, 0);
    await commit(sql, [{
      partition: 0,
      by: counted,
      counted,
      watermark: newest,
      maxWindowEnd: newest + WINDOW,
      firstEventTime: first,
      newestEventTime: newest,
    }], hits);
    await closeAll(sql);
  };
}

/** The same with pages, clients, campaigns, entry channels and visitors. */
const countedTraffic = async (sql: Sql) => {
  await traffic(Date.now())(sql);
  await countBreakdowns(sql, TWO_SITES, { "": 1_234, "www.example.com": 900, "shop.example.com": 400 });
};

const number = async (page: Page, selector: string) =>
  Number((await page.locator(selector).first().innerText()).replace(/[^\d]/g, ""));
const hits = (page: Page) => number(page, "#totals dd.big");
/** A page that is left ends its requests; every other fault counts, an answer of 503 too. */
const faults = (problems: readonly string[]) => problems.filter((text) => !/ERR_ABORTED/.test(text));
const chips = async (page: Page) =>
  (await page.locator(".chips li:has(.flip) a:first-child").allInnerTexts()).map((text) =>
    text.replace(/\s*×.*/s, "").replace(/\s+/g, " ").trim()
  );

Deno.test("the dashboard answers a reader's questions", async (t) => {
  await using dashboard = await startDashboard({ prepare: countedTraffic });
  const { url, browser } = dashboard;

  await t.step(
    "who visits from Germany? A click on a country filters everything; another one excludes it",
    async () => {
      const { page, problems } = await browser.newPage();
      await page.goto(url);
      const all = await hits(page);
      await page.locator("#table td a", { hasText: "Germany" }).first().click();
      await page.waitForURL(/filter=country/);
      assertEquals(await chips(page), ["country is Germany"]);
      const german = await hits(page);
      assert(german > 0 && german < all, `${german} of ${all}`);
      assertEquals(await number(page, "#hosts tbody td.n") <= german, true);
      await page.locator("#hosts a", { hasText: "shop.example.com" }).first().click();
      await page.waitForURL(/shop/);
      assertEquals((await chips(page)).length, 2);
      const shop = await hits(page);
      assert(shop < german);
      await page.locator(".chips .flip").first().click();
      await page.waitForURL(/country%3Ais_not/);
      assertMatch((await chips(page))[0]!, /country is not Germany/);
      await page.locator(".chips a", { hasText: "Remove all" }).click();
      await page.waitForURL((to) => !to.searchParams.has("filter"));
      assertEquals(await hits(page), all);
      assertEquals(faults(problems), []);
      await page.close();
    },
  );

  await t.step("how much comes from Google? Its addresses are one row, our own hosts are apart", async () => {
    const { page } = await browser.newPage();
    await page.goto(url);
    const google = page.locator("#sources tbody tr", { hasText: "Google" });
    assertEquals(await google.count(), 1);
    await google.locator("summary").click();
    assertEquals((await google.locator(".parts li").count()) > 1, true);
    assertMatch(await page.locator("#sources").innerText(), /From our own hosts/);
    const shown = Number((await google.locator("td.n").first().innerText()).replace(/\D/g, ""));
    await google.locator("th > a").first().click();
    await page.waitForURL(/source/);
    assertEquals(await hits(page), shown);
    await page.close();
  });

  await t.step("pages, clients, campaigns and visitors of a host, and what they do not know named", async () => {
    const { page, problems } = await browser.newPage();
    await page.goto(`${url}/?tz=UTC&range=28d`);
    assertEquals(await page.locator("#pages tbody th bdi").first().innerText(), "/");
    assertMatch(await page.locator("#pages").innerText(), /hits \(\d+\.\d%\) viewed no page/);
    assertMatch(await page.locator("#entries").innerText(), /From pages of the same host: [\d,]+ \(\d+\.\d%\)/);
    const visitors = async () => {
      const card = page.locator("#totals div", { hasText: "Visitors" });
      return Number((await card.locator("dd.big").innerText()).replace(/\D/g, ""));
    };
    const all = await visitors();
    assertEquals(await page.locator("#series .large .visitors").count() > 0, true);
    await page.locator("#hosts a", { hasText: "shop.example.com" }).first().click();
    await page.waitForURL(/shop/);
    assertEquals((await page.locator("#pages tbody th bdi").allInnerTexts()).slice(0, 2), ["/cart", "/"]);
    assert(await visitors() < all);
    await page.goto(`${url}/?country=DE`);
    assertMatch(await page.locator("#pages").innerText(), /Not available with this filter/);
    assertMatch(await page.locator("#totals").innerText(), /not with this filter/);
    await page.locator("#pages a", { hasText: "without the other conditions" }).click();
    await page.waitForURL((to) => !to.searchParams.has("filter"));
    assertEquals(faults(problems), []);
    await page.close();
  });

  await t.step("a filter that matches nothing says so, and offers what was meant", async () => {
    const { page } = await browser.newPage();
    await page.goto(`${url}/?host=ww.example.com`);
    const notice = page.locator("#nothing");
    assertStringIncludes(await notice.innerText(), "No hits match this filter");
    await notice.locator("a", { hasText: "www.example.com" }).click();
    await page.waitForURL(/www\.example\.com/);
    assertEquals(await chips(page), ["host is www.example.com"]);
    assert(await hits(page) > 0);
    assertEquals(await page.locator("#nothing").isVisible(), false);
    await page.close();
  });

  await t.step(
    "how was last month, and how is it without bots? Choices apply at once, boxes show the range in force",
    async () => {
      const { page, problems } = await browser.newPage();
      await page.goto(url);
      const today = new Date().toISOString().slice(0, 10);
      assertEquals(await page.locator("input[name=to]").inputValue(), today);
      await page.locator(".ranges a", { hasText: "28 days" }).click();
      await page.waitForURL(/range=28d/);
      await page.locator("summary", { hasText: "Filters" }).click();
      await page.locator("select[name=traffic]").selectOption("human");
      await page.waitForURL(/traffic=human/);
      assertEquals(await page.locator(".ranges [aria-current]").innerText(), "28 days");
      assertEquals(await page.locator("#totals dt").first().innerText(), "Hits by humans");
      await page.locator("select[name=compare]").selectOption("previous_year");
      await page.waitForURL(/compare=previous_year/);
      assertMatch(await page.locator("#totals").innerText(), /No change: the data does not cover both periods/);
      const from = new Date(Date.now() - 3 * DAY).toISOString().slice(0, 10);
      await page.locator("input[name=from]").fill(from);
      await page.waitForURL(new RegExp(`from=${from}`));
      assertEquals(await page.locator(".ranges [aria-current]").count(), 0);
      assertEquals(faults(problems), []);
      await page.close();
    },
  );

  await t.step("a page is in the browser's zone, and a chosen one wins", async () => {
    const { page, problems } = await browser.newPage({ timezoneId: "Asia/Tokyo" });
    await page.goto(url);
    await page.waitForLoadState("load");
    assertEquals(await page.locator("input[name=tz]").inputValue(), "Asia/Tokyo");
    await page.goto(`${url}/?tz=UTC`);
    assertEquals(await page.locator("input[name=tz]").inputValue(), "UTC");
    assertEquals(faults(problems), []);
    await page.close();
  });

  await t.step("a running day is compared with the same time of the days before, and says so", async () => {
    const { page } = await browser.newPage();
    await page.goto(url);
    assertMatch(
      await page.locator("#totals").innerText(),
      /Change\n[▲▼]? ?[+−±][\d,]+ \([+−]?[\d.]+%\)\nagainst .*, until \d\d:\d\d/,
    );
    assertMatch(await page.locator("#table thead").innerText(), /Change\s+against .*, until \d\d:\d\d/);
    assertEquals(await page.locator("#series .large path.prev").count(), 1);
    await page.close();
  });

  await t.step("tables: ordered by a click, searched, taken along as shown, next and previous", async () => {
    const { page, problems } = await browser.newPage();
    await page.goto(url);
    const rows = () => page.locator("#contributions tbody tr:visible").count();
    const first = () => page.locator("#contributions tbody th").first().innerText();
    const top = await first();
    await page.locator("#table a[rel=next]").click();
    await page.waitForURL(/cursor=/);
    assert(await first() !== top);
    await page.locator("#table a[rel=prev]").click();
    await page.waitForURL((to) => !to.search.includes("cursor="));
    assertEquals(await first(), top);
    await page.locator("#table a", { hasText: "Show all" }).click();
    await page.waitForURL(/rows=all/);
    assertEquals(await rows(), 43);
    await page.locator("#contributions th", { hasText: "Change" }).first().click();
    assertEquals(await page.locator("#contributions th[aria-sort=descending]").count(), 1);
    await page.locator("#search-contributions").fill("ville 1");
    assertEquals(await rows(), 11);
    const downloading = page.waitForEvent("download");
    await page.locator("[data-export]").click();
    const text = await Deno.readTextFile((await (await downloading).path())!);
    assertEquals(text.trim().split("\r\n").length, 12);
    assertStringIncludes(text, "Ville 1");
    assertEquals(faults(problems), []);
    await page.close();
  });

  await t.step("a phone shows hits, share and change of each place; the forecast shows its newest days", async () => {
    const { page } = await browser.newPage({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
    await page.goto(url);
    const heads = await page.locator("#contributions thead th:visible").allInnerTexts();
    assertEquals(heads.map((text) => text.split(/[\s▾]/)[0]), ["City", "Hits", "Share", "Change"]);
    for (const cell of await page.locator("#contributions tbody tr").first().locator("td:visible").all()) {
      const box = (await cell.boundingBox())!;
      assert(box.x >= 0 && box.x + box.width <= 390, JSON.stringify(box));
    }
    await page.close();
  });

  await t.step(
    "a view is saved by name and opened again; a note on a day is in the chart; both go by a click",
    async () => {
      const { page, problems } = await browser.newPage();
      await page.goto(`${url}/?range=28d&traffic=human`);
      await page.locator("#views summary").click();
      await page.locator("#views input[name=name]").fill("People, four weeks");
      await page.locator("#views button", { hasText: "Save view" }).click();
      await page.locator("#views summary", { hasText: "Views (1)" }).waitFor();
      await page.locator("#notes summary").click();
      await page.locator("#notes input[name=day]").fill(new Date(Date.now() - 3 * DAY).toISOString().slice(0, 10));
      await page.locator("#notes input[name=note]").fill("release 2.1 <b>");
      await page.locator("#notes button", { hasText: "Add note" }).click();
      await page.locator("#notes summary", { hasText: "Notes (1)" }).waitFor();
      assertEquals(await page.locator("#series .large .mark text").textContent(), "release 2.1 <b>");
      assertMatch(await page.locator("#series .marks").innerText(), /release 2\.1 <b>/);
      await page.goto(url);
      await page.locator("#views summary", { hasText: "Views (1)" }).click();
      await page.locator("#views a", { hasText: "People, four weeks" }).click();
      await page.waitForURL(/range=28d&traffic=human/);
      assertEquals(await page.locator("#totals dt").first().innerText(), "Hits by humans");
      await page.locator("#views summary").click();
      await page.locator("#views button.plain").click();
      await page.locator("#views summary", { hasText: /^Views$/ }).waitFor();
      await page.locator("#notes summary", { hasText: "Notes (1)" }).click();
      await page.locator("#notes button.plain").click();
      await page.locator("#notes summary", { hasText: /^Notes$/ }).waitFor();
      assertEquals(await page.locator("#series .mark").count(), 0);
      assertEquals(faults(problems), []);
      await page.close();
    },
  );

  await t.step("the questions of docs/questions.md, each by the clicks that the page names", async () => {
    const page = await Deno.readTextFile(new URL("../../docs/questions.md", import.meta.url));
    const rows = [...page.matchAll(/^\| \d+ +\| (.+?) +\| +(\d+) +\|/gm)].map((
      [, asks, clicks],
    ) => [asks, Number(clicks)]);
    assertEquals(rows, QUESTIONS.map(({ asks, clicks }) => [asks, clicks]));
    const { page: shown, problems } = await browser.newPage();
    for (const { asks, clicks, answer } of QUESTIONS) {
      await shown.goto(url);
      const reader = new Reader(shown, url);
      await answer(reader);
      assertEquals([asks, reader.clicks, faults(problems)], [asks, clicks, []]);
    }
    await shown.close();
  });

  await t.step("paper has every column", async () => {
    const { page } = await browser.newPage({ viewport: { width: 1_040, height: 700 } });
    await page.goto(url);
    await page.emulateMedia({ media: "print" });
    const width = Number(await page.evaluate("document.documentElement.scrollWidth"));
    const columns = await page.locator("#contributions thead th").count();
    assertEquals(await page.locator("#contributions thead th:visible").count(), columns);
    const table = (await page.locator("#contributions").boundingBox())!;
    assert(table.x + table.width <= width + 1, `${table.x + table.width} of ${width}`);
    await page.close();
  });
});

Deno.test("a log that ended long ago begins with its own last days", async () => {
  const end = Date.UTC(2026, 0, 7, 15);
  await using dashboard = await startDashboard({ prepare: traffic(end) });
  const { page, problems } = await dashboard.browser.newPage();
  await page.goto(dashboard.url);
  assertEquals(await page.locator("input[name=from]").inputValue(), "2026-01-01");
  assertEquals(await page.locator("input[name=to]").inputValue(), "2026-01-07");
  assert(await hits(page) > 0);
  // This traffic comes from a program that knows no breakdowns.
  for (const id of ["pages", "entries", "campaigns", "browsers", "systems", "devices"]) {
    assertMatch(await page.locator(`#${id}`).innerText(), /Not counted/);
  }
  assertMatch(await page.locator("#totals").innerText(), /Visitors\nnot counted/);
  assertStringIncludes(await page.locator("#notice").innerText(), "show the last 7 days until today");
  // What is after the end is shaded, not zero.
  assertEquals(await page.locator("#series .large rect title", { hasText: "after the newest event" }).count(), 1);
  await page.locator("#notice a", { hasText: "show the last 7 days until today" }).click();
  await page.waitForURL(/range=7d/);
  assertStringIncludes(await page.locator("#notice").innerText(), "No data in this range");
  assertEquals(await page.locator("#map svg.tm").count(), 0);
  assertEquals(await page.locator("#channels .split").count(), 0);
  await page.locator("#notice a", { hasText: "show it" }).click();
  await page.waitForURL((to) => to.searchParams.has("from"));
  assert(await hits(page) > 0);
  assertEquals(faults(problems), []);
});
