import { assertEquals } from "@std/assert";
import { type Column, csvCell, csvLine, ndjsonLine, tableLines } from "../../src/report/text/csv.ts";

Deno.test("csvCell() puts an apostrophe before what a spreadsheet would run", () => {
  const table: [string, string][] = [
    ["=1+1", "'=1+1"],
    ["+cmd", "'+cmd"],
    ["-2+3", "'-2+3"],
    ["@SUM(A1)", "'@SUM(A1)"],
    ["\tx", "'\tx"],
    ["\rx", '"\'\rx"'],
    ["\nx", '"\'\nx"'],
    ["＝1", "'＝1"],
    ['=HYPERLINK("http://x","y")', `"'=HYPERLINK(""http://x"",""y"")"`],
    ["a=1", "a=1"],
    ["'=1", "'=1"],
  ];
  for (const [text, cell] of table) assertEquals(csvCell(text), cell, text);
});

Deno.test("csvCell() quotes by RFC 4180 and leaves numbers alone", () => {
  assertEquals(csvCell('a,"b"'), '"a,""b"""');
  assertEquals(csvCell("a\r\nb"), '"a\r\nb"');
  assertEquals(csvCell(" a"), '" a"');
  assertEquals([csvCell(-5), csvCell(0.1), csvCell(null), csvCell("")], ["-5", "0.1", "", ""]);
});

const COLUMNS: readonly Column<{ readonly name: string; readonly count: number | null }>[] = [
  { name: "name", value: ({ name }) => name },
  { name: "count", value: ({ count }) => count },
];

Deno.test("tableLines() writes a header in CSV and an object a line in NDJSON", () => {
  const rows = [{ name: "a\nb", count: 1 }, { name: "=c", count: null }];
  assertEquals([...tableLines("csv", COLUMNS, rows)].join(""), 'name,count\r\n"a\nb",1\r\n\'=c,\r\n');
  assertEquals(
    [...tableLines("ndjson", COLUMNS, rows)].join(""),
    '{"name":"a\\nb","count":1}\n{"name":"=c","count":null}\n',
  );
});

Deno.test("tableLines() writes shares with two decimals in CSV, and as they are in NDJSON", () => {
  const columns: readonly Column<{ readonly share: number | null }>[] = [
    { name: "share", value: ({ share }) => share, digits: 2 },
  ];
  const rows = [{ share: 100 / 3 }, { share: 15 }, { share: null }, { share: 0.004 }];
  assertEquals([...tableLines("csv", columns, rows)].join(""), "share\r\n33.33\r\n15.00\r\n\r\n0.00\r\n");
  assertEquals([...tableLines("ndjson", columns, rows)][0], `{"share":${100 / 3}}\n`);
});

Deno.test("csvLine() has at most `digitsMax` decimals, and whole numbers without; NDJSON has them all", () => {
  const columns = [{ name: "hits", value: (hits: number) => hits, digitsMax: 2 }];
  assertEquals([12, 12.3456, -0.001].map((hits) => csvLine(columns, hits)), ["12\r\n", "12.35\r\n", "0\r\n"]);
  assertEquals(ndjsonLine(columns, 12.3456), '{"hits":12.3456}\n');
});
