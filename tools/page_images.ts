// Makes the pictures of docs/images again: `deno run -A tools/page_images.ts URL [NAME…]`, where URL is that of a running demo. Refuses a page that is not
// whole. Shell: starts a browser, writes files.
import { startBrowser, type TestBrowser } from "../tests/support/browser.ts";

type Page = Awaited<ReturnType<TestBrowser["newPage"]>>["page"];

interface Picture {
  readonly name: string;
  readonly path: string;
  readonly dark?: boolean;
  readonly width: number;
  readonly height: number;
  /** Shown from the first of these sections to the last; without them, from the top of the page. */
  readonly sections?: readonly [first: string, last: string];
}

const WIDE = 1_360, PHONE = { width: 390, height: 844 };
const WEEK = "/?tz=UTC&range=7d", MONTH = "/?tz=UTC&range=28d";
const PICTURES: readonly Picture[] = [
  { name: "overview-light", path: WEEK, width: WIDE, height: 940 },
  { name: "overview-dark", path: WEEK, dark: true, width: WIDE, height: 940 },
  { name: "overview-panels", path: MONTH, width: WIDE, height: 900, sections: ["pages", "devices"] },
  { name: "overview-table", path: WEEK, width: WIDE, height: 800, sections: ["table", "table"] },
  { name: "overview-phone", path: WEEK, ...PHONE },
  { name: "pipeline-light", path: "/pipeline?tz=UTC", width: WIDE, height: 1_120 },
  { name: "pipeline-dark", path: "/pipeline?tz=UTC", dark: true, width: WIDE, height: 1_120 },
  { name: "pipeline-phone", path: "/pipeline?tz=UTC", ...PHONE },
];
const FOLDER = new URL("../docs/images/", import.meta.url);

const [url, ...names] = Deno.args;
if (url === undefined) {
  // deno-lint-ignore no-console
  console.error("Usage: deno run -A tools/page_images.ts http://127.0.0.1:8080 [NAME…]");
  Deno.exit(2);
}
await using browser = await startBrowser();
for (const { name, path, dark = false, width, height, sections } of PICTURES) {
  if (names.length > 0 && !names.includes(name)) continue;
  const { page, problems } = await browser.newPage({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    timezoneId: "UTC",
  });
  await page.goto(new URL(path, url).href);
  await requireWhole(page, path, problems);
  const clip = sections === undefined
    ? { x: 0, y: 0, width, height }
    : await clipOf(page, sections, { width, height: name === "overview-table" ? height : Infinity });
  await page.screenshot({ path: new URL(`${name}.png`, FOLDER).pathname, fullPage: sections !== undefined, clip });
  await page.close();
}

/** @throws Error if the page keeps a notice, has an error, or has no numbers after two minutes; pages ask for what is late by themselves */
async function requireWhole(page: Page, path: string, problems: readonly string[]): Promise<void> {
  const timeout = 120_000;
  const numbers = path.startsWith("/pipeline") ? "#ledger .equation" : "#pages tbody tr";
  await page.locator(numbers).first().waitFor({ timeout });
  await page.locator("#notice:empty").waitFor({ state: "attached", timeout });
  if (problems.length > 0) throw new Error(`${path} is not whole: ${problems.join("; ")}`);
}

/** The area from the first section to the last, with a margin. */
async function clipOf(
  page: Page,
  [first, last]: readonly [string, string],
  most: { readonly width: number; readonly height: number },
) {
  const MARGIN = 16;
  const from = (await page.locator(`#${first}`).boundingBox())!, to = (await page.locator(`#${last}`).boundingBox())!;
  const y = Math.max(0, from.y - MARGIN);
  return { x: 0, y, width: most.width, height: Math.min(most.height, to.y + to.height + MARGIN - y) };
}
