// Reports know every value that counting reserves, and split what counting joins.
import { assertEquals } from "@std/assert";
import { CAMPAIGN_NONE, campaignValue } from "../../src/breakdown/campaign.ts";
import { BOT_CLIENT, UNKNOWN_CLIENT } from "../../src/breakdown/client.ts";
import { NO_VIEW } from "../../src/breakdown/page.ts";
import { breakdownLabel, FOLDED, RESERVED } from "../../src/report/breakdown.ts";

Deno.test("every reserved value of counting has words in reports, and there are no others", () => {
  const counting = [...Object.values(NO_VIEW), CAMPAIGN_NONE, BOT_CLIENT, UNKNOWN_CLIENT];
  // Retention makes this one.
  assertEquals([...RESERVED].sort(), [...new Set([...counting, "(retired)"])].sort());
  assertEquals(RESERVED.includes(FOLDED), false);
});

Deno.test("a campaign that counting joins is split into the same parts", () => {
  const label = (source: string, medium: string, name: string) =>
    breakdownLabel("campaign", campaignValue({ source, medium, name }));
  assertEquals([label("a", "", "c"), label("", "m", "")], ["a / – / c", "– / m / –"]);
});
