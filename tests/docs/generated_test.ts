// Pages that are made from code are as the code says; `deno task docs` mends them.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { EXIT_MEANING } from "../../src/shared/errors.ts";
import { SETTING_NAMES } from "../../src/shared/config/settings.ts";
import { renderConfigurationPage } from "../../tools/docs_configuration_page.ts";
import { outdatedPages } from "../../tools/generate.ts";

Deno.test("generated pages are up to date (else run `deno task docs`)", async () => {
  assertEquals(await outdatedPages(), []);
});

Deno.test("renderConfigurationPage() has a row for every setting and every exit code", () => {
  const page = renderConfigurationPage();
  for (const name of SETTING_NAMES) assertStringIncludes(page, `| \`${name}\``);
  for (const meaning of Object.values(EXIT_MEANING)) assertStringIncludes(page, `| ${meaning} `);
});
