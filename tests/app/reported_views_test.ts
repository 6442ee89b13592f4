// reportedViews(): which saved views have a report, what of their address it uses, and what is said of the others.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { keyOf, reportedViews } from "../../src/app/reported_views.ts";
import { epochMs } from "../../src/shared/units.ts";

const NOW = epochMs(Date.UTC(2026, 10, 27, 12));
const of = (names: readonly string[], saved: Readonly<Record<string, string>>) =>
  reportedViews(names, Object.entries(saved).map(([name, query]) => ({ name, query })), NOW);

Deno.test("reportedViews() keeps the order of the setting, each view once; * is the whole stream", async () => {
  const saved = { Germany: "", Bots: "traffic=bot", Unnamed: "" };
  const { views, problem } = await of(["Bots", "*", "Germany", "Bots", "*"], saved);
  assertEquals(views.map((view) => view?.name), ["Bots", undefined, "Germany"]);
  assertEquals(problem, null);
  assertEquals(await of(["*"], {}), { views: [null], problem: null });
  assertEquals(await of([], saved), { views: [], problem: null });
});

Deno.test("reportedViews() takes everything of a view but its period, and reads short filters as the page does", async () => {
  const parameters = async (query: string) => (await of(["v"], { v: query })).views[0]?.parameters;
  assertEquals(await parameters("range=28d&filter=country:is:DE&late=include"), {
    filter: "country:is:DE",
    late: "include",
  });
  assertEquals(await parameters("from=2026-01-01&to=2026-01-31&tz=Asia/Tokyo&cursor=x&back=y&compare=previous_year"), {
    compare: "previous_year",
  });
  assertEquals(await parameters("host=www.example.com&source=Google&traffic=human&utm_source=mail&place=country"), {
    traffic: "human",
    place: "country",
    filter: "host:is:www.example.com;source:is:Google",
  });
  assertEquals(await parameters(""), {});
});

Deno.test("reportedViews() names each view that is not saved or that the reports refuse, and keeps the others", async () => {
  const { views, problem } = await of(["Germany", "germany", "Old"], { Germany: "", Old: "filter=planet:is:Mars" });
  assertEquals(views.map((view) => view?.name), ["Germany"]);
  assertEquals(problem?.code, "view_failed");
  assertStringIncludes(problem!.message, '"germany" (there is no saved view of this name)');
  assertStringIncludes(problem!.message, '"Old" (filter must hold conditions');
  for (
    const query of ["traffic=cats", "compare=never", "late=maybe", "filter=%00", "channel=pigeon", "filter=host:is:a;"]
  ) {
    const refused = await of(["v"], { v: query });
    assertEquals([refused.views, refused.problem?.code], [[], "view_failed"], query);
  }
});

Deno.test("keyOf() is always the same for a name, and differs between names", async () => {
  assertEquals(await keyOf("Germany"), "80db4ccdca10");
  assertEquals(new Set(await Promise.all(["Germany", "germany", "Germany "].map(keyOf))).size, 3);
});
