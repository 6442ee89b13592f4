// The committed pages are what the table says now, and stream.env is a file that this program accepts.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { EXIT_MEANING } from "../../src/shared/errors.ts";
import { renderConfigurationPage, renderStreamEnv } from "../../src/cli/settings_pages.ts";
import { loadSettings } from "../../src/shared/config/load.ts";
import { postgresTarget } from "../../src/shared/config/postgres.ts";
import { SETTING_NAMES } from "../../src/shared/config/settings.ts";

const committed = (path: string) => Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
const HINT = "run `deno task docs`";

Deno.test("stream.env and docs/configuration.md are up to date", () => {
  assertEquals(committed("stream.env"), renderStreamEnv(), HINT);
  assertEquals(committed("docs/configuration.md"), renderConfigurationPage(), HINT);
});

Deno.test("renderStreamEnv() holds every setting and loads without a problem", () => {
  const content = renderStreamEnv();
  for (const name of SETTING_NAMES) assertStringIncludes(content, `${name}=`);
  const { settings, notices } = loadSettings({
    flags: new Map(),
    env: { get: () => undefined, names: () => [] },
    file: { path: "stream.env", content },
    readFile: () => "",
    instanceId: "i",
  });
  assertEquals(notices, []);
  assertEquals(settings.KAFKA_URL, ["localhost:9093"]);
  assertEquals(postgresTarget(settings), {
    kind: "server",
    hosts: [{ host: "localhost", port: 5432 }],
    user: "postgres",
    password: "postgres",
    database: "postgres",
    tls: "disable",
  });
});

Deno.test("renderConfigurationPage() has a row for every setting and every exit code", () => {
  const page = renderConfigurationPage();
  for (const name of SETTING_NAMES) assertStringIncludes(page, `| \`${name}\``);
  for (const meaning of Object.values(EXIT_MEANING)) assertStringIncludes(page, `| ${meaning} `);
});
