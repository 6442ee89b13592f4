// Goal: logs as people have met them give the right counts, hosts and places, through the real file reader and counter; each row is one shape.
import { assert, assertEquals } from "@std/assert";
import { createEventReader } from "../../../src/event/fast_reader.ts";
import { firstLines } from "../../../src/event/log_line/found.ts";
import { maskPayload } from "../../../src/event/mask_payload.ts";
import type { EventRules } from "../../../src/event/read_event.ts";
import { RULES_2 } from "../../../src/event/stream_rules.ts";
import { openMmdbBytes } from "../../../src/geo/mmdb/file.ts";
import { createPlaceLocator, INVALID_ID, PRIVATE_ID, UNKNOWN_ID } from "../../../src/geo/place_locator.ts";
import { durationMs, type EpochMs, MINUTE, NEVER, offset, partitionId } from "../../../src/shared/units.ts";
import { openContent } from "../../../src/source/file/content.ts";
import { LineReader } from "../../../src/source/file/line_reader.ts";
import { Counter } from "../../../src/window/counter.ts";
import { Delta } from "../../../src/window/delta.ts";
import type { KeyTable } from "../../../src/window/key_table.ts";
import { Tracker } from "../../../src/window/tracker.ts";
import { writeMmdb } from "../../support/mmdb_writer.ts";
import { COUNTRIES, FIELD_CASES, type FieldCase, FILE_HOST } from "./field_cases.ts";
import { SERVERS, TIMES } from "./field_cases_servers.ts";

const country = (code: string) => ({ country: { iso_code: code } });
const database = openMmdbBytes(
  writeMmdb(
    Object.entries(COUNTRIES).map(([address, code]) => ({
      address,
      prefixLength: address.includes(":") ? 32 : 24,
      record: country(code),
    })),
    { ipVersion: 6 },
  ),
  "countries",
);

function rulesOf({ format = "auto", trustedProxyHops = 0 }: FieldCase): EventRules {
  return {
    stream: { ...RULES_2, logFormat: format },
    format: "lines",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops,
    defaultHost: FILE_HOST,
  };
}

/** What the log gives, in the form of an expectation. */
async function countedOf(row: FieldCase, path: string): Promise<Record<string, unknown>> {
  const locator = createPlaceLocator({ v4: database, v6: database });
  const reader = createEventReader({ ...rulesOf(row), locator, hashSeed: 3 });
  const counter = new Counter({
    windowSize: durationMs(5 * MINUTE),
    watermarkDelay: durationMs((row.watermarkDelay ?? 1) * MINUTE),
    maxFutureSkew: durationMs(MINUTE),
    latePolicy: "store",
    offsetsCountRecords: false,
  }, reader);
  const now = Date.parse(row.now ?? "2026-04-03T00:00:00Z") as EpochMs;
  const tracker = new Tracker(
    {
      partition: partitionId(0),
      commitId: "none",
      nextOffset: offset(0),
      watermark: NEVER,
      recordWatermark: NEVER,
      maxWindowEnd: NEVER,
      raisedAt: now,
      quietSince: null,
    } as ConstructorParameters<typeof Tracker>[0],
    now,
  );
  const delta = new Delta(maskPayload);
  await Deno.writeFile(path, row.bytes);
  const lines = new LineReader(await openContent(path, 0), { byte: 0, origin: 0 });
  for (let ended = false; !ended;) {
    const { run, atEnd } = await lines.read(now);
    const last = atEnd ? lines.takeRest(now).run : undefined;
    for (const one of [run, last]) {
      if (one === undefined) continue;
      const from = tracker.position, end = offset(lines.position);
      const batch = { partition: partitionId(0), from, next: end, logStart: offset(0), logEnd: end, lastStable: end };
      counter.count(tracker, { ...batch, sentAt: now, runs: [one] }, delta, now, now);
    }
    ended = atEnd;
  }
  await lines.close();
  const hosts: Record<string, number> = {}, places: Record<string, number> = {};
  const words = new Map([[UNKNOWN_ID, "(unknown)"], [PRIVATE_ID, "(private)"], [INVALID_ID, "(invalid)"]]);
  for (const table of [...delta.windows.values(), ...delta.late.values()]) addTable(table);
  function addTable(table: KeyTable): void {
    for (let i = 0; i < table.size; i++) {
      const host = reader.hosts.text(table.host[i]!), id = table.place[i]!, hits = table.keyHits[i]!;
      const place = words.get(id) ?? locator.place(id).countryCode;
      hosts[host] = (hosts[host] ?? 0) + hits;
      places[place] = (places[place] ?? 0) + hits;
    }
  }
  const { counted, late, nulls } = tracker.tally;
  return {
    counted,
    late,
    nulls,
    dead: Object.fromEntries(delta.dead.counts.map(({ reason, records }) => [reason, records])),
    hosts,
    places,
  };
}

Deno.test("logs from the field: counts, hosts and places of every shape", async (t) => {
  const folder = await Deno.makeTempDir();
  try {
    for (const row of [...FIELD_CASES, ...SERVERS, ...TIMES]) {
      await t.step(row.name, async () => {
        const got = await countedOf(row, `${folder}/access.log`);
        const { found, hosts, places, ...counts } = row.expect;
        const expected = {
          late: 0,
          nulls: 0,
          dead: {},
          ...counts,
          hosts: hosts ?? got.hosts,
          places: places ?? got.places,
        };
        assertEquals(got, expected);
        const first = firstLines(row.bytes, rulesOf(row), true);
        assertEquals(first.events > 0, row.expect.counted > 0);
        if (found !== undefined) assertEquals(first.found, found);
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const RULES = rulesOf({} as FieldCase);
const look = (text: string | Uint8Array, format = "auto") =>
  firstLines(typeof text === "string" ? new TextEncoder().encode(text) : text, {
    ...RULES,
    stream: { ...RULES_2, logFormat: format },
  }, true);

Deno.test("firstLines() names the line that cannot be read, and the nearest format", () => {
  const rows: [line: string, words: RegExp, format?: string][] = [
    ["2026/03/03 10:00:05 [error] 31#31: *18 open() failed", /it resembles no format that has a name/],
    ['8.8.8.8 - - [2026-03-03] "GET / HTTP/1.1" 200 5', /nearest format: combined, but there is no time as in \[03/],
    [
      "8.8.8.8 - - [03/Mar/2026:10:00:07 +0000] GET / 200",
      /nearest format: combined, but there is no request in quotes/,
    ],
    ["2026-03-03 10:00:00 GET /a 10.1.1.1", /nearest format: iis/],
    ["#Fields: date time c-ip cs-method", /set FILE_FORMAT to this line, '#Fields: date time c-ip cs-method'/],
    ['{"level":"info","msg":"started"}', /it is a JSON object with other names \(level, msg\)/],
    ['[{"host":"a"}]', /it is a JSON array/],
    [
      '8.8.8.8 - - [03/Mar/2026:10:00:07 +0000] "GET / HTTP/1.1" 200 5',
      /nearest format: combined, but FILE_FORMAT/,
      "iis",
    ],
    ['8.8.8.8 - - [31/Apr/2026:10:00:07 +0000] "GET / HTTP/1.1" 200 5', /event_time is not a time/],
  ];
  for (const [line, words, format] of rows) {
    const first = look(`\n${line}\n`, format);
    assertEquals([first.lines, first.events, first.found, first.unread?.line], [1, 0, null, 2], line);
    assert(words.test(first.unread!.words), `${line}: ${first.unread!.words}`);
  }
});

Deno.test("firstLines() leaves a line without an end out where more may come, and what is not a record", () => {
  assertEquals(firstLines(new TextEncoder().encode("half a li"), RULES, false).lines, 0);
  assertEquals(look("#Version: 1.0\n\n  \n").lines, 0);
});
