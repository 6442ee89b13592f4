// /docs in a real browser: its style is let through by the policy, nothing is blocked or logged, and axe finds nothing serious.
import { assert, assertEquals } from "@std/assert";
import type { AxeResults } from "axe-core";
import { serveHttp } from "../../src/http/server/server.ts";
import { silentLog } from "../../src/shared/log.ts";
import { testApp } from "../http/app_fixture.ts";
import { startBrowser } from "../support/browser.ts";

Deno.test("/docs shows in a browser, light and narrow or dark and wide, without a violation", async () => {
  const server = await serveHttp(testApp(), { host: "127.0.0.1", port: 0, connectionsMax: 1_000, log: silentLog });
  await using browser = await startBrowser();
  try {
    for (
      const options of [
        { colorScheme: "light" as const, viewport: { width: 375, height: 800 } },
        { colorScheme: "dark" as const, viewport: { width: 1280, height: 900 } },
      ]
    ) {
      // axe itself is a script that the page's policy would refuse.
      const { page, problems } = await browser.newPage({ ...options, bypassCSP: false });
      await page.goto(`${server.url}/docs`);
      const width = await page.evaluate("document.documentElement.scrollWidth");
      assert(Number(width) <= options.viewport.width, `no sideways scrolling: ${width}`);
      assertEquals(await page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse"), "collapse");
      assertEquals(problems, []);
      const checked = await browser.newPage({ ...options, bypassCSP: true });
      await checked.page.goto(`${server.url}/docs`);
      await checked.page.addScriptTag({ path: new URL(import.meta.resolve("axe-core")).pathname });
      const { violations } = await checked.page.evaluate("axe.run()") as AxeResults;
      const serious = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
      assertEquals(serious.map((v) => `${v.id}: ${v.nodes[0]?.html}`), []);
      if (Deno.env.get("SHOT")) await page.screenshot({ path: `${Deno.env.get("SHOT")}/${options.colorScheme}.png` });
    }
  } finally {
    await server.close(500);
  }
});
