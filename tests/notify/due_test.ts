// dueMessages(), backoffMs() and what a message says, without a database.
import { assertEquals, assertNotMatch, assertStringIncludes } from "@std/assert";
import { backoffMs, type DayBesideForecast, dueMessages, type View } from "../../src/notify/due.ts";
import { alertMessage, reportMessage, webhookBody } from "../../src/notify/message.ts";
import { reportFacts } from "./report_facts.ts";

const target = { kind: "webhook", key: "abc", label: "hooks.example" } as const;
const given = {
  views: [null],
  alertAt: null,
  targets: [target],
  today: "2026-11-27",
  days: [],
  known: new Set<string>(),
};
const germany: View = { name: "Germany", key: "f00", parameters: { traffic: "human", filter: "country:is:DE" } };
const periods = (changes: Partial<Parameters<typeof dueMessages>[0]>) =>
  dueMessages({ schedule: "weekly", lastComplete: "2026-11-26", ...given, ...changes })
    .map(({ id, from, to }) => `${id.replace("-abc", "")} to ${from === to ? "" : to}`.trim());

Deno.test("dueMessages() reports the newest period that is complete", () => {
  for (
    const [schedule, lastComplete, expected] of [
      ["daily", "2026-11-26", ["report-daily-2026-11-26 to"]],
      // A week ends on Sunday.
      ["weekly", "2026-11-26", ["report-weekly-2026-11-16 to 2026-11-22"]],
      ["weekly", "2026-11-22", ["report-weekly-2026-11-16 to 2026-11-22"]],
      ["weekly", "2026-11-21", ["report-weekly-2026-11-09 to 2026-11-15"]],
      ["monthly", "2026-11-26", ["report-monthly-2026-10-01 to 2026-10-31"]],
      ["monthly", "2026-11-30", ["report-monthly-2026-11-01 to 2026-11-30"]],
      ["off", "2026-11-26", []],
      ["daily", null, []],
      // An imported log of last year makes no message.
      ["daily", "2025-11-26", []],
      ["weekly", "2026-10-26", []],
    ] as const
  ) assertEquals(periods({ schedule, lastComplete }), [...expected], `${schedule} ${lastComplete}`);
});

Deno.test("dueMessages() makes up for periods that were missed, and never goes back before the first report", () => {
  const known = new Set(["report-daily-abc-2026-11-22", "report-daily-other-2026-11-26"]);
  assertEquals(periods({ schedule: "daily", known }), [
    "report-daily-2026-11-24 to",
    "report-daily-2026-11-25 to",
    "report-daily-2026-11-26 to",
  ]);
  assertEquals(periods({ schedule: "daily", known: new Set([...known, "report-daily-abc-2026-11-25"]) }), [
    "report-daily-2026-11-26 to",
  ]);
  assertEquals(periods({ schedule: "daily", known: new Set(["report-daily-abc-2026-11-26"]) }), []);
});

Deno.test("dueMessages() reports views and the whole stream, each after its own newest report", () => {
  const due = (...known: string[]) =>
    periods({ schedule: "daily", views: [null, germany], known: new Set(known.map((id) => `report-daily-${id}`)) });
  const whole = "report-daily-2026-11-26 to", view = "report-daily.f00-2026-11-26 to";
  assertEquals(due(), [whole, view]);
  assertEquals(due("abc-2026-11-24"), ["report-daily-2026-11-25 to", whole, view]);
  assertEquals(due("abc.f00-2026-11-24"), [whole, "report-daily.f00-2026-11-25 to", view]);
  assertEquals(due("abc-2026-11-26"), [view]);
  assertEquals(due("abc.f00-2026-11-26", "abc.f01-2026-11-24"), [whole]);
  assertEquals(periods({ schedule: "daily", views: [germany] }), [view]);
});

Deno.test("dueMessages() alerts of the whole stream, once, also where views are reported", () => {
  const day = { day: "2026-11-26", count: 999, forecast: { count: 100, low: 80, high: 110 } };
  for (const views of [[germany], [germany, null], []]) {
    const due = dueMessages({ ...given, schedule: "off", lastComplete: day.day, alertAt: 1, days: [day], views });
    assertEquals(due.map(({ id, view }) => [id, view]), [["alert-abc-2026-11-26", null]]);
  }
});

Deno.test("dueMessages() alerts of days outside of their band, in whole hits, and never of what is not known", () => {
  const band = { count: 100, low: 80.4, high: 110.4 };
  const day = (day: string, count: number | null, forecast: DayBesideForecast["forecast"] = band) => ({
    day,
    count,
    forecast,
  });
  const alerts = (days: readonly DayBesideForecast[], alertAt: number | null = 1) =>
    periods({ schedule: "off", alertAt, days }).map((text) => text.slice(6, 16));
  assertEquals(alerts([day("2026-11-26", 110)]), []);
  assertEquals(alerts([day("2026-11-26", 111)]), ["2026-11-26"]);
  assertEquals(alerts([day("2026-11-26", 80)]), []);
  assertEquals(alerts([day("2026-11-26", 79)]), ["2026-11-26"]);
  // Twice as far: 100 + 2 × 10.4.
  assertEquals(alerts([day("2026-11-26", 121)], 2), []);
  assertEquals(alerts([day("2026-11-26", 122)], 2), ["2026-11-26"]);
  assertEquals(alerts([day("2026-11-26", 999)], null), []);
  assertEquals(alerts([day("2026-11-26", null), day("2026-11-25", 999, null), day("2026-11-19", 999)]), []);
});

Deno.test("backoffMs() doubles from 15 s to an hour, and waits longer where the target asks for it", () => {
  assertEquals([1, 2, 3, 9, 50].map((attempts) => backoffMs(attempts)), [15_000, 30_000, 60_000, 3_600_000, 3_600_000]);
  assertEquals(backoffMs(1, 90_000), 90_000);
  assertEquals(backoffMs(1, 1e12), 3_600_000);
});

Deno.test("reportMessage() names the view, counts its traffic and links to it on the days of the report", () => {
  const day = { id: "report-daily-abc-2026-11-26", from: "2026-11-26", to: "2026-11-26" };
  const settings = { schedule: "daily", link: "https://stats.example.com/" } as const;
  const about = (view: View | null, traffic: "all" | "human") =>
    reportMessage({ ...day, view }, reportFacts(traffic), settings);
  const whole = about(null, "all"), view = about(germany, "human");
  assertEquals([whole.subject, view.subject], [
    "Hits 2026-11-26: 1,000 (+42.9 %)",
    '"Germany": human hits 2026-11-26: 800 (+25.0 %)',
  ]);
  assertEquals(whole.lines.slice(0, 3), [
    "1,000 hits on 2026-11-26 (UTC).",
    "▲ +300 (+42.9 %) against 2026-11-19.",
    "Humans 800, bots 200.",
  ]);
  assertEquals(view.lines.slice(0, 3), [
    '800 human hits on 2026-11-26 (UTC) in the view "Germany".',
    "▲ +160 (+25.0 %) against 2026-11-19.",
    "Countries: Germany 800 (100.0 %)",
  ]);
  const address = "https://stats.example.com/?from=2026-11-26&to=2026-11-26&tz=UTC";
  const { view: name, traffic, hits, compared, change, link } = view.fields;
  assertEquals([name, traffic, hits, compared, change, link], [
    "Germany",
    "human",
    800,
    { from: "2026-11-19", to: "2026-11-19", hits: 640 },
    160,
    `${address}&traffic=human&filter=country%3Ais%3ADE`,
  ]);
  assertEquals([whole.fields.view, whole.fields.hits, whole.fields.link], [null, 1_000, address]);
  const hostile = about({ ...germany, name: "<!channel>\nBcc: x" }, "all");
  assertNotMatch(hostile.subject, /\n/);
  assertNotMatch(JSON.parse(webhookBody(hostile)).text, /<!/);
});

Deno.test("webhookBody() has the numbers as fields, and text in which no name is markup", () => {
  const message = alertMessage(
    { id: "alert-abc-2026-11-26" },
    { day: "2026-11-26", count: 5_000, forecast: { count: 1000.5, low: 900.25, high: 1100 } },
    { tz: "Europe/Berlin", link: "https://stats.example.com/" },
  );
  const body = JSON.parse(webhookBody({ ...message, lines: [...message.lines, "<!channel> & co"] }));
  assertEquals([body.id, body.kind, body.hits, body.low, body.direction], [
    "alert-abc-2026-11-26",
    "alert",
    5000,
    900.25,
    "above",
  ]);
  assertStringIncludes(body.text, "had 5,000 hits, more than forecast: 900 to 1,100 were expected.");
  assertStringIncludes(body.text, "https://stats.example.com/?from=2026-11-26");
  assertStringIncludes(body.text, "&lt;!channel&gt; &amp; co");
  assertNotMatch(body.text, /<!/);
});
