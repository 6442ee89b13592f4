// Goal: a real access log, through a real broker and a real PostgreSQL, gives the table that counting its lines by hand gives. Method: a
// generated log that is out of order goes through `produce` and `run --once` as child processes, and through SOURCE=file. The same for any
// log of the reader's own: `deno task faults access-log FILE`.
import { assertEquals, assertGreater } from "@std/assert";
import { type AccessLogResult, countAccessLog, throughFile, throughKafka } from "../faults/access_log.ts";
import { randomStream } from "../faults/generator.ts";
import { startBroker } from "../support/kafka_broker.ts";
import { KAFKA_VERSIONS } from "../support/kafka_jars.ts";
import { startPostgres } from "../support/postgres.ts";

const LINES = 10_000;

/** Lines of some days, in a disorder that makes hundreds of them late; odd referrers and agents as real logs have them. */
function generatedLog(): string {
  const random = randomStream(20_150_517);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() ** 2 * list.length)]!;
  const referrers = [
    "-",
    "http://www.example.org/",
    "https://www.search.test/search?q=a+b%20c&hl=en",
    'http://odd.test/\\"quoted\\"',
    "http://odd.test/back\\\\slash",
    `http://long.test/${"x".repeat(1500)}`,
    ...Array.from({ length: 60 }, (_, i) => `http://site${i}.test/page/${i}`),
  ];
  const agents = ["Mozilla/5.0 (X11; Linux x86_64)", "-", "Googlebot/2.1 (+http://www.google.com/bot.html)"];
  let lines = "";
  for (let n = 0; n < LINES; n++) {
    const jitter = random() < 0.9 ? random() * 90_000 : random() * 1_200_000;
    const time = new Date(Date.UTC(2015, 4, 17, 22) + n * 9_000 - Math.floor(jitter));
    const [day, month, year] = [time.getUTCDate(), time.toUTCString().slice(8, 11), time.getUTCFullYear()];
    lines += `${pick(["83.149.9.216", "10.0.0.7", "2001:4860:4860::8888"])} - - ` +
      `[${String(day).padStart(2, "0")}/${month}/${year}:${time.toISOString().slice(11, 19)} +0000] ` +
      `"GET /p/${n} HTTP/1.1" 200 ${n} "${pick(referrers)}" "${pick(agents)}"\n`;
  }
  return lines;
}

function check(results: readonly AccessLogResult[]) {
  for (const { title, differences, hits, lateHits } of results) {
    assertEquals(differences, [], title);
    assertEquals(hits + lateHits, LINES, title);
  }
}

Deno.test("run() counts an access log as counting its lines does, through two brokers and from the file", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/access.log`;
  await using database = await startPostgres();
  try {
    const text = generatedLog();
    await Deno.writeTextFile(path, text);
    const counted = countAccessLog(text);
    assertEquals(counted.bad, 0);
    assertGreater([...counted.late.values()].reduce((sum, hits) => sum + hits, 0), 100);
    const results = [await throughFile(path, await database.createDatabase())];
    for (const version of KAFKA_VERSIONS) {
      await using broker = await startBroker({ version });
      results.push(await throughKafka(path, broker, await database.createDatabase(), 1));
      if (version === KAFKA_VERSIONS[0]) {
        results.push(await throughKafka(path, broker, await database.createDatabase(), 4));
      }
    }
    check(results);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
