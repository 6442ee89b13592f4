// Goal: a real access log, through a real broker and a real PostgreSQL, gives the table that counting its lines by hand gives. Method: a
// generated log that is out of order goes through `produce` and `run --once` as child processes, and through SOURCE=file. The same for any
// log of the reader's own: `deno task faults access-log FILE`.
import { assertEquals, assertGreater } from "@std/assert";
import postgres from "postgres";
import { type AccessLogResult, countAccessLog, throughFile, throughKafka } from "../faults/access_log.ts";
import { randomStream } from "../faults/generator.ts";
import { startBroker } from "../support/kafka_broker.ts";
import { KAFKA_VERSIONS } from "../support/kafka_jars.ts";
import { startPostgres } from "../support/postgres.ts";
import { tidemark } from "../support/process.ts";
import { until } from "../support/wait.ts";

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

const line = (n: number) => {
  const time = new Date(Date.UTC(2026, 2, 3, 10) + n * 1_000).toISOString().slice(11, 19);
  return `198.51.100.7 - - [03/Mar/2026:${time} +0000] "GET /${n} HTTP/1.1" 200 1 "https://r${
    n % 7
  }.example/" "curl/8"\n`;
};
const linesOf = (from: number, count: number) => Array.from({ length: count }, (_, i) => line(from + i)).join("");

Deno.test("run() counts two logs and one that joins late, killed in between, and standard input from a dead pipe", async () => {
  await using database = await startPostgres();
  const folder = await Deno.makeTempDir(), url = await database.createDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const env = {
    SOURCE: "file",
    FILE_PATH: `${folder}/{host}.log*`,
    POSTGRES_URL: url,
    DATA_DIR: `${folder}/data`,
    COMMIT_INTERVAL: "100ms",
    LOG_FORMAT: "json",
  };
  const written = new Map<string, number>();
  const write = async (host: string, count: number) => {
    const from = written.get(host) ?? 0;
    written.set(host, from + count);
    await Deno.writeTextFile(`${folder}/${host}.log`, linesOf(from, count), { append: true });
  };
  const read = async () =>
    (await sql`select partition, (counted + late)::int as lines from stream_partition order by partition`).map((row) =>
      row.lines as number
    );
  const lines = (host: string) => written.get(host)!;
  try {
    await write("a.example.com", 3_000);
    await write("b.example.com", 2_000);
    const once = async (more: Readonly<Record<string, string>> = {}, input?: string) => {
      const child = tidemark(["run", "--once"], { env: { ...env, ...more } });
      if (input !== undefined) await child.write(input).then(() => child.closeStdin());
      const { code, stderr } = await child.exit();
      assertEquals(code, 0, stderr);
    };
    {
      await using child = tidemark(["run"], { env });
      await child.waitForLine("a file joins the log");
      await until("both logs are read", async () => {
        const found = await read().catch(() => []);
        return found.length === 2 && found.every((count) => count > 0);
      });
      await write("a.example.com", 500);
      await write("c.example.com", 1_000);
      await until("the third log has joined", async () => (await read()).length === 3);
      await write("b.example.com", 1_500);
      child.signal("SIGKILL");
    }
    // Rotated and written to while nothing reads.
    await Deno.rename(`${folder}/a.example.com.log`, `${folder}/a.example.com.log.1`);
    await Deno.writeTextFile(`${folder}/a.example.com.log`, linesOf(lines("a.example.com"), 700));
    written.set("a.example.com", lines("a.example.com") + 700);
    await once();
    const counts = async (host: string) => {
      const [row] = await sql`
        select (select coalesce(sum(num_hits), 0) from aggregated_web_traffic where host = ${host})::int
             + (select coalesce(sum(num_hits), 0) from late_web_traffic where host = ${host})::int as hits`;
      return row!.hits as number;
    };
    for (const host of written.keys()) assertEquals(await counts(host), lines(host), host);
    const piped = {
      FILE_PATH: "-",
      FILE_HOST: "pipe.example.com",
      POSTGRES_URL: await database.createDatabase(),
      DATA_DIR: `${folder}/pipe`,
    };
    {
      await using dead = tidemark(["run", "--once"], { env: { ...env, ...piped } });
      await dead.write(linesOf(0, 1_000));
      await dead.waitForLine("reading standard input");
      dead.signal("SIGKILL");
    }
    // The pipe's writer died early; the same input once more; all of it and more.
    for (const count of [600, 600, 1_200]) await once(piped, linesOf(0, count));
    const stored = postgres(piped.POSTGRES_URL, { max: 1, onnotice: () => {} });
    const [row] = await stored`select sum(counted + late)::int as lines, sum(late)::int as late from stream_partition`;
    await stored.end();
    assertEquals({ ...row }, { lines: 1_200, late: 0 });
  } finally {
    await sql.end();
    await Deno.remove(folder, { recursive: true });
  }
});
