// What the pages say while there is nothing to show, and that they recover by themselves.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "../http/stream_fixture.ts";
import { hostileTraffic, startDashboard } from "./browser_fixture.ts";

const RECOVERY_MS = 60_000;

Deno.test("pages without a database say so, and recover by themselves", async () => {
  await using dashboard = await startDashboard({ faults: true });
  const { page } = await dashboard.browser.newPage();
  await page.goto(dashboard.url);
  const { page: late } = await dashboard.browser.newPage();
  await dashboard.data.server.kill();
  await page.locator(".state.trouble").waitFor({ timeout: RECOVERY_MS });
  assertStringIncludes(await page.locator("#notice").innerText(), "database does not answer");
  // Numbers that were there stay, rather than an empty page.
  assert(await page.locator("#totals dd").first().isVisible());

  const response = await late.goto(`${dashboard.url}/pipeline`);
  assertEquals(response?.status(), 503);
  assertStringIncludes(await late.locator("#notice").innerText(), "database does not answer");
  await late.evaluate("globalThis.same = true");

  await dashboard.data.server.restart("fast");
  await page.locator(".state.healthy").waitFor({ timeout: RECOVERY_MS });
  await late.locator("#partitions table").waitFor({ timeout: RECOVERY_MS });
  assertEquals((await late.locator("#notice").innerText()).trim(), "");
  assert(await late.evaluate("'same' in globalThis"), "without a reload");
});

Deno.test("a stream without events says what to do next, and fills by itself", async () => {
  await using dashboard = await startDashboard({ prepare: (sql) => join(sql, 2) });
  const { page, problems } = await dashboard.browser.newPage();
  await page.goto(dashboard.url);
  const text = await page.locator("#notice").innerText();
  assertStringIncludes(text, "No events in web_traffic_topic yet");
  assertStringIncludes(text, "tidemark produce");
  await dashboard.data.sql`truncate stream, stream_partition cascade`;
  await hostileTraffic(dashboard.data.sql);
  await page.locator("#totals dd").first().waitFor({ timeout: RECOVERY_MS });
  await page.locator("#table table").waitFor({ timeout: RECOVERY_MS });
  assertEquals(problems, []);
});

Deno.test("a database without a stream says how to start one", async () => {
  await using dashboard = await startDashboard({ prepare: async () => {}, snapshots: () => [] });
  const { page } = await dashboard.browser.newPage();
  await page.goto(dashboard.url);
  assertStringIncludes(await page.locator("#notice").innerText(), "No stream in this database yet");
  await page.goto(`${dashboard.url}/pipeline`);
  assertStringIncludes(await page.locator("#notice").innerText(), "No stream in this database yet");
});
