// A headless Chromium for page tests, driven through playwright-core; it ends with its test. Shell: spawns a process.
import { type Browser, chromium, type Page } from "playwright-core";
import { spawn } from "./process.ts";

const FLAGS = [
  "--headless",
  // The tests may run as root in a container, where Chromium's own sandbox cannot start.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  // Nothing but the page under test may use the network.
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A browser of one test with an empty profile. */
export interface TestBrowser extends AsyncDisposable {
  readonly browser: Browser;
  /** A page in a context of its own; scripts' errors and failed requests are collected in `problems`. */
  newPage(options?: Parameters<Browser["newPage"]>[0]): Promise<{ readonly page: Page; readonly problems: string[] }>;
  close(): Promise<void>;
}

/** Path of the installed browser (`CHROMIUM_PATH` first), or undefined. */
export async function findChromium(): Promise<string | undefined> {
  const given = Deno.env.get("CHROMIUM_PATH");
  if (given) return given;
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  for (const name of ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"]) {
    for (const folder of folders) {
      const path = `${folder}/${name}`;
      if (await Deno.stat(path).then((found) => found.isFile, () => false)) return path;
    }
  }
  return undefined;
}

/** Starts the browser. @throws Error that says what to install */
export async function startBrowser(): Promise<TestBrowser> {
  const path = await findChromium();
  if (!path) throw new Error("No Chromium: apt-get install chromium, or set CHROMIUM_PATH.");
  const profile = await Deno.makeTempDir({ prefix: "tidemark-browser-" });
  // Playwright's own launch uses inherited pipes. A port works on every runtime, and a child of ours ends with this process.
  const child = spawn(path, [...FLAGS, `--user-data-dir=${profile}`, "--remote-debugging-port=0", "about:blank"]);
  const end = async () => {
    await child[Symbol.asyncDispose]();
    await removeProfile(profile);
  };
  try {
    const line = await child.waitForLine("DevTools listening on ");
    const browser = await chromium.connectOverCDP(line.slice(line.indexOf("ws://")));
    const close = async () => {
      await browser.close();
      await end();
    };
    return {
      browser,
      async newPage(options) {
        const page = await browser.newPage(options);
        const problems: string[] = [];
        page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
        page.on("console", (entry) => void (entry.type() === "error" && problems.push(`console: ${entry.text()}`)));
        page.on(
          "requestfailed",
          (request) => problems.push(`request: ${request.url()} ${request.failure()?.errorText}`),
        );
        return { page, problems };
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Helper processes of the browser may still write for a moment after it has ended. */
async function removeProfile(folder: string) {
  for (let attempt = 1;; attempt++) {
    try {
      return await Deno.remove(folder, { recursive: true });
    } catch (error) {
      if (attempt === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
