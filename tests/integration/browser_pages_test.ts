// The pages in a real browser over a real database: what a reader, a keyboard, a screen reader and a stranger's text can do there.
import axe, { type AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { printable } from "../../src/shared/printable.ts";
import { until } from "../support/wait.ts";
import { HOSTILE, startDashboard } from "./browser_fixture.ts";

const PAGES = ["/", "/pipeline"] as const;
/** With all rows of a list, and with a filter that some panels do not take. */
const STATES = [...PAGES, "/?tz=UTC&range=28d&all=page", "/?country=GB"] as const;
/** The pages look for 10 s at most: the machine may be busy. */
const LIVE_MS = 20_000;

const OPEN_ALL = "document.querySelectorAll('details').forEach((details) => { details.open = true })";

/** Serious findings of axe, in short. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })") as AxeResults;
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) =>
      `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join(" | ")}`
    );
}

Deno.test("pages in a browser", async (t) => {
  await using dashboard = await startDashboard();
  const { url, browser } = dashboard;

  for (const path of STATES) {
    for (const colorScheme of ["light", "dark"] as const) {
      await t.step(`${path} has neither console errors nor serious axe violations in ${colorScheme}`, async () => {
        const { page, problems } = await browser.newPage({ colorScheme });
        await page.goto(`${url}${path}`);
        await page.evaluate(OPEN_ALL);
        assertEquals(await violations(page), []);
        assertEquals(problems, []);
        await page.close();
      });
    }

    await t.step(`${path} fits a phone without scrolling sideways`, async () => {
      const { page } = await browser.newPage({ viewport: { width: 360, height: 740 } });
      await page.goto(`${url}${path}`);
      await page.evaluate(OPEN_ALL);
      const width = Number(await page.evaluate("document.documentElement.scrollWidth"));
      assertLess(width, 361);
      await page.close();
    });
  }

  for (const path of PAGES) {
    await t.step(`${path} shows a stranger's text as text only`, async () => {
      const { page, problems } = await browser.newPage();
      await page.goto(`${url}${path}`);
      const text = String(await page.evaluate("document.body.textContent"));
      for (const hostile of path === "/" ? HOSTILE.slice(0, 6) : [HOSTILE[0]!, HOSTILE[14]!]) {
        assertStringIncludes(text, printable(hostile));
      }
      const found = await page.evaluate(`ids = [...document.querySelectorAll("[id]")].map(({ id }) => id); ({
        hacked: "hacked" in globalThis,
        twice: ids.filter((id, i) => ids.indexOf(id) !== i),
        injected: document.querySelectorAll("main script, main iframe, main img, main style, [onload], [onerror]").length,
        schemes: [...document.links].filter((link) => !/^https?:$/.test(link.protocol)).map((link) => link.href),
        hidden: getComputedStyle(document.body).display,
      })`);
      assertEquals(found, { hacked: false, twice: [], injected: 0, schemes: [], hidden: "block" });
      assertEquals(problems, []);
      await page.close();
    });
  }

  await t.step("a filter by a hostile host finds it, and the way out of it", async () => {
    const { page } = await browser.newPage();
    for (const hostile of HOSTILE.slice(0, 12)) {
      await page.goto(`${url}/?host=${encodeURIComponent(hostile)}`);
      const chip = page.locator(".chips a").first();
      assertStringIncludes((await chip.textContent()) ?? "", printable(hostile));
      assertEquals(await chip.getAttribute("href"), "/");
      const hosts = await page.locator("#hosts tbody th > a:first-child").allTextContents();
      assertEquals(hosts, [printable(hostile)]);
    }
    assertEquals(await page.evaluate("'hacked' in globalThis"), false);
    await page.close();
  });

  await t.step("everything but live updates works without JavaScript", async () => {
    const { page, problems } = await browser.newPage({ javaScriptEnabled: false });
    await page.goto(url);
    await page.locator("summary", { hasText: "Filters" }).click();
    await page.locator("select[name=traffic]").selectOption("bot");
    await page.locator("input[name=tz]").fill("Asia/Tokyo");
    await page.locator("button.apply").click();
    await page.waitForURL(/traffic=bot/);
    assertMatch(page.url(), /tz=Asia%2FTokyo/);
    assertStringIncludes(await page.locator("#totals dt").first().innerText(), "Hits by bots");
    await page.locator(".ranges a", { hasText: "28 days" }).click();
    await page.waitForURL(/range=28d/);
    assertMatch(page.url(), /traffic=bot/);
    await page.locator("#hosts a", { hasText: "www.example.com" }).first().click();
    await page.waitForURL(/filter=host%3Ais%3Awww.example.com/);
    await page.locator("#series-data summary").click();
    assert(await page.locator("#series-data table").isVisible());
    await page.locator("nav a", { hasText: "Pipeline" }).click();
    await page.locator("#dead a", { hasText: "bad_json" }).click();
    await page.waitForURL(/reason=bad_json/);
    await page.locator("#dead .samples summary").first().click();
    assert(await page.locator("#dead .samples pre").first().isVisible());
    assertEquals(problems, []);
    await page.close();
  });

  await t.step("the keyboard reaches the content first, and what is focused shows", async () => {
    const { page } = await browser.newPage();
    await page.goto(url);
    await page.keyboard.press("Tab");
    assertEquals(await page.evaluate("document.activeElement.textContent"), "Skip to content");
    await page.keyboard.press("Enter");
    assertEquals(await page.evaluate("document.activeElement.id"), "main");
    await page.keyboard.press("Tab");
    const focused = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    assertEquals(focused, "solid");
    await page.close();
  });

  await t.step("the chosen theme lasts, and is there before anything is painted", async () => {
    const { page } = await browser.newPage({ colorScheme: "light" });
    await page.goto(url);
    const ground = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
    const light = await ground();
    await page.locator("#theme").click();
    const dark = await ground();
    assert(light !== dark, `${light} changes`);
    await page.goto(`${url}/pipeline`, { waitUntil: "commit" });
    await page.locator("body").waitFor({ state: "attached" });
    assertEquals(await page.evaluate("document.documentElement.dataset.theme"), "dark");
    await page.goto(`${url}/?theme=light`);
    assertEquals(await ground(), light);
    await page.close();
  });

  await t.step("a commit reaches an open page without a reload, and keeps what was opened", async () => {
    const { page, problems } = await browser.newPage();
    await page.goto(url);
    await page.locator("#series-data summary").click();
    await page.evaluate("globalThis.same = true");
    const hits = async () => Number((await page.locator("#totals dd").first().innerText()).replaceAll(",", ""));
    const before = await hits();
    await dashboard.add(321);
    const total = (before + 321).toLocaleString("en");
    await page.locator("#totals dd").first().filter({ hasText: total }).waitFor({ timeout: LIVE_MS });
    await page.locator("#hosts", { hasText: "new.example" }).waitFor({ timeout: 2 * LIVE_MS });
    assert(await page.evaluate("'same' in globalThis"), "the page was not reloaded");
    assert(await page.locator("#series-data[open]").count() === 1, "the table stays open");
    assertEquals(problems, []);
    await page.close();
  });

  await t.step("a page over which nothing happens asks for nothing and costs next to no CPU", async () => {
    const { page } = await browser.newPage();
    await page.goto(url);
    await page.waitForTimeout(3_000);
    const requests: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable");
    const busy = async () => {
      const { metrics } = await session.send("Performance.getMetrics");
      return metrics.find(({ name }: { name: string }) => name === "TaskDuration")!.value;
    };
    // The best of some: a busy machine stretches the same work.
    const work: number[] = [];
    while (work.length < 5 && !work.some((seconds) => seconds < 0.05)) {
      const before = await busy();
      await page.waitForTimeout(2_500);
      work.push(await busy() - before);
    }
    assertEquals(requests, []);
    assertLess(Math.min(...work), 0.05, `seconds of work in two and a half: ${work}`);
    await page.close();
  });

  await t.step("a first load stays below 200 KB in all, and a warm page is rendered in less than 100 ms", async () => {
    const { page } = await browser.newPage();
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    let bytes = 0;
    session.on("Network.loadingFinished", (event) => bytes += event.encodedDataLength);
    await page.goto(url);
    await page.waitForTimeout(500);
    assertLess(bytes, 200_000);
    // Others use this machine too: one rendering that is fast enough proves it, and one that never is fails.
    let best = Infinity;
    await until(() => `a warm page in less than 100 ms; the best took ${best}`, async () => {
      const start = performance.now();
      await (await fetch(url)).text();
      best = Math.min(best, performance.now() - start);
      return best < 100;
    });
    await page.close();
  });

  await t.step("a wrong parameter is named with what is allowed, beside the field", async () => {
    const { page } = await browser.newPage();
    const response = await page.goto(`${url}/?tz=Mars/Olympus&from=2026-02-30`);
    assertEquals(response?.status(), 400);
    const alert = await page.locator("[role=alert]").innerText();
    assertMatch(alert, /tz must be an IANA time zone/);
    assertMatch(alert, /from must be a date that exists/);
    assertEquals(await page.locator("input[name=tz]").getAttribute("aria-invalid"), "true");
    assertEquals(await page.locator("input[name=tz]").inputValue(), "Mars/Olympus");
    assertEquals(await violations(page), []);
    await page.close();
  });
});
