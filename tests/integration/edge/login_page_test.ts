// Goal: a person with a browser can sign in, come back to the page that was asked for, and sign out; the pages of problems are readable.
// Method: the application behind a real server, Chromium, axe.
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { AxeResults } from "axe-core";
import { hashToken } from "../../../src/http/server/auth.ts";
import { serveHttp } from "../../../src/http/server/server.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { testApp } from "../../http/app_fixture.ts";
import { startBrowser } from "../../support/browser.ts";

const TOKEN = "reader-token-0123456789";

Deno.test("signing in and out in a browser, and the pages of problems, light and narrow or dark and wide", async () => {
  const access = { publicAccess: false, readTokenHash: await hashToken(TOKEN) };
  const server = await serveHttp(testApp({ settings: { access } }), {
    host: "127.0.0.1",
    port: 0,
    connectionsMax: 100,
    log: silentLog,
  });
  await using browser = await startBrowser();
  const shots = Deno.env.get("SHOT");
  try {
    for (
      const options of [
        { colorScheme: "light" as const, viewport: { width: 375, height: 800 } },
        { colorScheme: "dark" as const, viewport: { width: 1280, height: 900 } },
      ]
    ) {
      const { page, problems } = await browser.newPage(options);
      const heading = () => page.textContent("h1:not(.sr)");
      const fits = async () => {
        const width = Number(await page.evaluate("document.documentElement.scrollWidth"));
        assert(width <= options.viewport.width, `no sideways scrolling: ${width}`);
      };
      const shoot = async (name: string) => {
        if (shots) await page.screenshot({ path: `${shots}/${name}_${options.colorScheme}.png` });
      };
      await page.goto(`${server.url}/pipeline?tz=Europe/Berlin`);
      assertEquals(await heading(), "Sign in");
      await fits();
      await shoot("login");
      await page.fill("#token", "wrong-token-0123456789");
      await page.click("main button");
      assertMatch(await page.textContent("main [role=alert]") ?? "", /token is wrong/);
      await page.goto(`${server.url}/pipeline?tz=Europe/Berlin`);
      await page.fill("#token", TOKEN);
      await page.click("main button");
      await page.waitForURL(`${server.url}/pipeline?tz=Europe/Berlin`);
      await page.goto(`${server.url}/nothing/here`);
      assertEquals(await heading(), "There is nothing here");
      await fits();
      await shoot("404");
      await page.goto(`${server.url}/login`);
      assertEquals(await heading(), "You are signed in");
      await page.click("main button");
      await page.waitForURL(`${server.url}/`);
      assertEquals(await heading(), "Sign in");
      // Chromium reports every status above 399 by itself, and event streams that end with their page.
      assertEquals(problems.filter((text) => !/status of (?:401|404|503)|events net::ERR_ABORTED/.test(text)), []);

      const checked = await browser.newPage({ ...options, bypassCSP: true });
      for (const path of ["/", "/nothing"]) {
        await checked.page.goto(`${server.url}${path}`);
        await checked.page.addScriptTag({ path: new URL(import.meta.resolve("axe-core")).pathname });
        const { violations } = await checked.page.evaluate("axe.run()") as AxeResults;
        const serious = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
        assertEquals(serious.map((v) => `${v.id}: ${v.nodes[0]?.html}`), [], path);
      }
    }
  } finally {
    await server.close(500);
  }
});
