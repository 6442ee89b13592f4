import { assertEquals } from "@std/assert";
import { percentText, textBars } from "../../src/report/text/text_bars.ts";
import { cutText, textWidth } from "../../src/report/text/text_width.ts";

Deno.test("textBars() keeps columns under wide and combining characters", () => {
  const chart = textBars([
    { label: "東京", count: 40, percentage: 40 },
    { label: "Zu\u0308rich", count: 35, percentage: 35 },
    { label: "São Paulo", count: 25, percentage: 25 },
  ], { cells: 8 });
  assertEquals(chart.split("\n"), [
    "東京       40 | ████████ 40%",
    "Zu\u0308rich     35 | ███████  35%",
    "São Paulo  25 | █████    25%",
  ]);
});

Deno.test("textBars() shows nothing for zero, one cell for any hit, and a question mark for the unknown", () => {
  const chart = textBars([
    { label: "a", count: 1000, percentage: 99.9 },
    { label: "b", count: 1, percentage: 0.1 },
    { label: "c", count: 0, percentage: 0 },
    { label: "d", count: null, percentage: null },
  ], { cells: 4 });
  assertEquals(chart.split("\n"), [
    "a  1,000 | ████ 99.9%",
    "b      1 | █     0.1%",
    "c      0 |       0%",
    "d      ? |",
  ]);
  assertEquals(textBars([]), "");
});

Deno.test("textBars() draws no bar for the rest, and scales without it", () => {
  const chart = textBars([{ label: "a", count: 10, percentage: 1 }, {
    label: "(other)",
    count: 990,
    percentage: 99,
    isRest: true,
  }], { cells: 4 });
  assertEquals(chart.split("\n"), ["a         10 | ████  1%", "(other)  990 |      99%"]);
});

Deno.test("textBars() takes line breaks and escape sequences out of labels", () => {
  const chart = textBars([{ label: "x\n\x1b[2Jy\u202e", count: 1, percentage: 100 }], { cells: 1 });
  assertEquals(chart, "x\ufffd\ufffd[2Jy\ufffd  1 | █ 100%");
});

Deno.test("textWidth() counts cells, cutText() keeps them", () => {
  const table: [string, number][] = [["abc", 3], ["e\u0301", 1], ["한국", 4], ["🇩🇪", 2], ["👩‍👩‍👧", 2], ["\u200b", 0], [
    "ﾊ",
    1,
  ], ["", 0]];
  for (const [text, width] of table) assertEquals(textWidth(text), width, text);
  assertEquals(cutText("東京都庁", 5), "東京…");
  assertEquals(cutText("short", 5), "short");
});

Deno.test("percentText() shows two decimals at most", () => {
  const table: [number, string][] = [[15, "15%"], [5.5, "5.5%"], [100 / 3, "33.33%"], [0, "0%"], [0.001, "<0.01%"], [
    100,
    "100%",
  ]];
  for (const [value, text] of table) assertEquals(percentText(value), text);
});

Deno.test("textBars() fills the terminal's width, and keeps within it", () => {
  const rows = [
    { label: "A place with a long name that goes on and on", count: 1_234_567, percentage: 61.7 },
    { label: "b", count: 765_433, percentage: 38.27 },
  ];
  for (const columns of [60, 80, 100, 132]) {
    const lines = textBars(rows, { columns }).split("\n");
    assertEquals(Math.max(...lines.map(textWidth)), Math.min(columns, 40 + 60 + 9 + 6 + 6), String(columns));
    assertEquals(new Set(lines.map((line) => line.indexOf("|"))).size, 1);
  }
  assertEquals(textBars(rows, { columns: 20 }).split("\n")[0], "A place w…  1,234,567 | ████ 61.7%");
});
