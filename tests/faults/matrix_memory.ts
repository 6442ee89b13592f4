// Memory under what is sent to fill it: long texts with every event, times scattered over years, several engines. Shell.
import type { Entry, Outcome, Servers } from "./entry.ts";
import { judged } from "./entry.ts";
import type { GeneratedRecord } from "./generator.ts";
import { randomStream } from "./generator.ts";
import { Instance, TASK_FLAGS } from "./instance.ts";
import { PatientSender, pause } from "./load.ts";
import { World } from "./world.ts";

const MIB = 1024 * 1024;
const DAY = 86_400_000;
const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;

/** What docs/reliability.md promises for a process with its defaults. */
const SERVER_MAX = 512 * MIB;
const EMBEDDED_MAX = 900 * MIB;
const ENGINE_MORE_MAX = 120 * MIB;

/** As long as they are kept whole: a host that is longer than any name counts as `(invalid)`. */
const HOST_BYTES = 250, REFERRER_BYTES = 1_000;
const LONG = "abcdefghij".repeat(REFERRER_BYTES / 10);
const BROWSER =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
/** Time of the first event; the others spread over an hour, so that there are twelve windows. */
const START = Date.UTC(2026, 0, 15, 10);

const longEvent = (n: number, events: number): string => {
  const key = String(n).padStart(8, "0");
  return `{"event_time":${START + Math.floor(n / events * 3_600_000)},"host":"${(key + LONG).slice(0, HOST_BYTES)}",` +
    `"referrer":"${`https://${key}/${LONG}`.slice(0, REFERRER_BYTES)}","ip":"8.8.8.8","user_agent":"${BROWSER}"}`;
};

interface Ledger {
  readonly balanced: boolean;
  readonly stream: { readonly counted: number; readonly late: number; readonly dead: number };
}

/** What the service says of its stream, or null before there is one. */
async function ledgerOf(instance: Instance, query = ""): Promise<Ledger | null> {
  try {
    const answer = await fetch(`${instance.url}/v1/ledger${query}`, { signal: AbortSignal.timeout(20_000) });
    const text = await answer.text();
    return answer.ok ? JSON.parse(text) : null;
  } catch {
    return null; // it does not listen yet, or is busy
  }
}

/** Waits until all events are accounted for. @throws Error with the log's tail where it takes too long */
async function readAll(instance: Instance, events: number): Promise<Ledger> {
  for (const deadline = performance.now() + 600_000;; await pause(500)) {
    const ledger = await ledgerOf(instance);
    const { counted = 0, late = 0, dead = 0 } = ledger?.stream ?? {};
    if (ledger && counted + late + dead >= events) return ledger;
    if (instance.died || performance.now() > deadline) {
      throw new Error(`${instance.name} accounts for ${counted}, ${late}, ${dead}:\n${instance.lines().slice(-20)}`);
    }
  }
}

const ENGINES = [1, 2, 3];
const PARTITIONS = 6;
const SENT = 120_000;

/** One topic, read by one, two and three engines, each time into a database of its own. */
async function severalEngines({ broker, postgres }: Servers): Promise<Outcome> {
  await using world = await World.create({ broker, database: postgres.url, partitions: PARTITIONS, env: TASK_FLAGS });
  const sender = new PatientSender(broker, world.topic), utf8 = new TextEncoder();
  try {
    for (let n = 0; n < SENT; n += 600) {
      await sender.send(Array.from({ length: 600 }, (_, i): GeneratedRecord => ({
        partition: (n + i) % PARTITIONS,
        recordTime: Date.now(),
        value: utf8.encode(longEvent(n + i, SENT)),
      })));
    }
  } finally {
    sender.close();
  }
  const differences: string[] = [], peaks: string[] = [];
  for (const engines of ENGINES) {
    const instance = world.instance(
      `${engines}-engines`,
      engines === 1 ? {} : {
        WORKERS: String(engines),
        POSTGRES_URL: await postgres.createDatabase(),
        KAFKA_GROUP: `engines-${engines}`,
      },
    );
    instance.start();
    const { balanced } = await readAll(instance, SENT);
    const peak = await instance.peakMemory();
    await instance.stop();
    peaks.push(mib(peak));
    if (!balanced) differences.push(`${engines} engines: the ledger does not balance`);
    const most = SERVER_MAX + (engines - 1) * ENGINE_MORE_MAX;
    if (peak > most) differences.push(`${engines} engines took ${mib(peak)} of ${mib(most)}`);
  }
  const outcome = await judged(world);
  return {
    ...outcome,
    differences: [...differences, ...outcome.differences],
    note: `peaks ${peaks.join(", ")} with ${ENGINES.join(", ")} engines`,
  };
}

/** A service with the embedded database over a file of these lines, in a folder of its own. */
async function withFile(
  lines: Iterable<string>,
  use: (instance: Instance) => Promise<Omit<Outcome, "fenced" | "result">>,
): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-memory-" });
  const path = `${folder}/events.ndjson`;
  {
    using file = await Deno.open(path, { create: true, write: true });
    const writer = file.writable.getWriter();
    let text = "";
    for (const line of lines) {
      text += `${line}\n`;
      if (text.length < 4 * MIB) continue;
      await writer.write(new TextEncoder().encode(text));
      text = "";
    }
    await writer.write(new TextEncoder().encode(text));
    writer.releaseLock();
  }
  const instance = new Instance("embedded", {
    SOURCE: "file",
    FILE_PATH: path,
    FILE_HOST: "www.test",
    DATA_DIR: `${folder}/data`,
    HTTP_PORT: "0",
    LOG_FORMAT: "json",
    ...TASK_FLAGS,
  });
  try {
    return { fenced: 0, result: "all counted, the ledger balanced", ...await use(instance) };
  } finally {
    if (instance.running) await instance.kill();
    await Deno.remove(folder, { recursive: true });
  }
}

function* longLines(events: number): Generator<string> {
  for (let n = 0; n < events; n++) yield longEvent(n, events);
}

/** Ends it. @returns differences: too slow, a wrong exit code */
async function stopInTime(instance: Instance): Promise<string[]> {
  const from = performance.now();
  const { code } = await instance.stop();
  const seconds = (performance.now() - from) / 1_000;
  return [
    ...code === 0 ? [] : [`it ended with ${code}`],
    ...seconds < 10 ? [] : [`it took ${seconds.toFixed(1)} s to end`],
  ];
}

const LONG_EVENTS = 100_000;
const REPORTS = ["top?by=host", "top?by=referrer", "contribution?", "timeseries?"];

const WINDOW_MS = 300_000, LONG_WINDOWS = 12;

/** Adds each window up again, one at a time: the embedded database answers a reader within three seconds or not at all. */
async function deepImbalances(instance: Instance): Promise<string[]> {
  const differences: string[] = [], deadline = performance.now() + 120_000;
  for (let n = 0; n < LONG_WINDOWS; n++) {
    const [from, to] = [n, n + 1].map((i) => new Date(START + i * WINDOW_MS).toISOString());
    let deep: Ledger | null = null;
    while (deep === null && performance.now() < deadline) {
      deep = await ledgerOf(instance, `?deep=true&from=${from}&to=${to}`);
      if (deep === null) await pause(500);
    }
    if (deep === null) differences.push(`the deep ledger of ${from} was not answered`);
    else if (!deep.balanced) differences.push(`the deep ledger of ${from} does not balance: ${JSON.stringify(deep)}`);
  }
  return differences;
}

/** Long texts into the embedded database, which is read meanwhile. */
const longTextsEmbedded = (): Promise<Outcome> =>
  withFile(longLines(LONG_EVENTS), async (instance) => {
    instance.start();
    await instance.waitForLine("listening", 120_000);
    let reading = true, answers = 0;
    const readers = Array.from({ length: 2 }, async () => {
      for (let i = 0; reading; i++) {
        const url = `${instance.url}/v1/reports/${REPORTS[i % REPORTS.length]}&from=2026-01-15&to=2026-01-16`;
        const answer = await fetch(url).catch(() => null);
        await answer?.body?.cancel();
        answers++;
        await pause(200);
      }
    });
    const { balanced } = await readAll(instance, LONG_EVENTS);
    reading = false;
    await Promise.all(readers);
    const wrong = await deepImbalances(instance);
    const commits = await instance.metric("tidemark_commits_total");
    const peak = await instance.peakMemory();
    const differences = await stopInTime(instance);
    if (!balanced) differences.push("the ledger does not balance");
    differences.push(...wrong);
    if (peak > EMBEDDED_MAX) differences.push(`it took ${mib(peak)}`);
    return { events: LONG_EVENTS, commits, differences, kills: 0, note: `peak ${mib(peak)}, ${answers} reports` };
  });

const SCATTERED = 300_000;
const LOOKS = 8;
const LOOK_EVERY_MS = 10_000;

function* scatteredLines(): Generator<string> {
  const random = randomStream(21);
  const line = (time: number, n: number) =>
    `{"event_time":${time},"host":"www.test","referrer":"https://r${n % 51}.test/","ip":"8.8.8.8"}`;
  yield line(START, 0);
  for (let n = 1; n < SCATTERED; n++) yield line(START - 3_600_000 - Math.floor(random() * 730 * DAY), n);
}

/** Event times all over two years: nearly every record is late, in a window of its own. */
const scatteredEmbedded = (): Promise<Outcome> =>
  withFile(scatteredLines(), async (instance) => {
    instance.start();
    await instance.waitForLine("partitions assigned", 120_000);
    const seen: number[] = [];
    const differences: string[] = [];
    for (let look = 0; look < LOOKS; look++) {
      await pause(LOOK_EVERY_MS);
      const { counted = 0, late = 0 } = (await ledgerOf(instance))?.stream ?? {};
      if (counted + late === SCATTERED) break;
      if (counted + late <= (seen.at(-1) ?? 0)) differences.push(`nothing between looks ${look} and ${look + 1}`);
      seen.push(counted + late);
    }
    const commits = await instance.metric("tidemark_commits_total");
    const peak = await instance.peakMemory();
    differences.push(...await stopInTime(instance));
    differences.push(...instance.lines().filter((line) => /lease|"level":"error"/.test(line)));
    if (peak > EMBEDDED_MAX) differences.push(`it took ${mib(peak)}`);
    return {
      events: seen.at(-1) ?? 0,
      commits,
      differences,
      kills: 0,
      result: "steady, ended in time",
      note: `peak ${mib(peak)}; after each ${LOOK_EVERY_MS / 1_000} s ${seen.join(", ")}`,
    };
  });

const LIVES = 4;
const LIFE_MS = 12_000;

/** A backlog of long texts, and a process that is killed again and again while it reads it. */
const longTextsKilled = (): Promise<Outcome> =>
  withFile(longLines(LONG_EVENTS), async (instance) => {
    const reached: number[] = [];
    const differences: string[] = [];
    for (let life = 0; life < LIVES; life++) {
      instance.start();
      await instance.waitForLine("partitions assigned", 120_000);
      const deadline = performance.now() + LIFE_MS;
      let counted = 0;
      while (performance.now() < deadline) {
        counted = Math.max(counted, (await ledgerOf(instance))?.stream.counted ?? 0);
        await pause(200);
      }
      await instance.kill();
      if (counted < LONG_EVENTS && counted <= (reached.at(-1) ?? 0)) differences.push(`life ${life + 1} got nowhere`);
      reached.push(counted);
    }
    instance.start();
    const { balanced } = await readAll(instance, LONG_EVENTS);
    const commits = await instance.metric("tidemark_commits_total");
    differences.push(...await stopInTime(instance));
    if (!balanced) differences.push("the ledger does not balance");
    return {
      events: LONG_EVENTS,
      commits,
      differences,
      kills: LIVES,
      note: `counted by each life ${reached.join(", ")}`,
    };
  });

export const MEMORY_ENTRIES: readonly Entry[] = [
  {
    name: "long-texts",
    done: "120,000 events, each with a new host of 250 bytes and a new referrer of 1,000, read by 1, 2 and 3 engines",
    run: severalEngines,
  },
  {
    name: "long-texts-embedded",
    done: "100,000 such events in a file, into the embedded database, while two readers ask for reports",
    run: longTextsEmbedded,
  },
  {
    name: "long-texts-killed",
    done: "the same file; the process is killed four times, 12 s after it begins to read",
    run: longTextsKilled,
  },
  {
    name: "scattered-times",
    done: "300,000 events in a file, their times scattered over two years, into the embedded database, for 80 s",
    run: scatteredEmbedded,
  },
];
