// A contestant: what one would write in an afternoon with kafkajs eachBatch, JSON.parse, npm maxmind, a Map of string keys and postgres.js.
// No fault tolerance. Shell.
import { Kafka, logLevel } from "kafkajs";
import { open, type Response } from "maxmind";
import postgres from "postgres";

const env = (k: string) => Deno.env.get(k)!;
const WINDOW = Number(Deno.env.get("WINDOW_SECONDS") ?? 300) * 1_000;
const DELAY = Number(Deno.env.get("DELAY_SECONDS") ?? 60) * 1_000;

type Place = { country_code?: string; state1?: string; city?: string };
type Row = {
  window_start: Date;
  window_end: Date;
  host: string;
  referrer: string;
  country_code: string;
  region: string;
  city: string;
  num_hits: number;
};

const geo = await open<Response>(env("MMDB"));
const sql = postgres(env("POSTGRES_URL"), { onnotice: () => {} });
const kafka = new Kafka({ clientId: "naive", brokers: [env("KAFKA_URL")], logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: env("GROUP") });

const windows = new Map<number, Map<string, Row>>();
const maxEventTime = [0, 0, 0, 0]; // by partition
let first = true;

async function closeWindows() {
  const watermark = Math.min(...maxEventTime) - DELAY;
  for (const start of [...windows.keys()].sort((a, b) => a - b)) {
    if (start + WINDOW > watermark) break;
    const rows = [...windows.get(start)!.values()];
    for (let i = 0; i < rows.length; i += 5000) {
      await sql`insert into aggregated_web_traffic ${sql(rows.slice(i, i + 5000))}`;
    }
    windows.delete(start);
  }
}

await consumer.connect();
await consumer.subscribe({ topic: env("TOPIC"), fromBeginning: true });
await consumer.run({
  eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
    if (first) {
      Deno.stdout.writeSync(new TextEncoder().encode(`FIRST_RECORD ${Date.now()}\n`));
      first = false;
    }
    for (const message of batch.messages) {
      const event = JSON.parse(message.value!.toString());
      const time = Date.parse(event.event_time);
      const start = time - (time % WINDOW);
      const place = geo.get(event.ip) as Place | null;
      const country_code = place?.country_code ?? "", region = place?.state1 ?? "", city = place?.city ?? "";
      const key = `${event.host}\t${event.referrer}\t${country_code}\t${region}\t${city}`;
      let window = windows.get(start);
      if (!window) windows.set(start, window = new Map());
      const row = window.get(key);
      if (row) row.num_hits++;
      else {
        window.set(key, {
          window_start: new Date(start),
          window_end: new Date(start + WINDOW),
          host: event.host,
          referrer: event.referrer,
          country_code,
          region,
          city,
          num_hits: 1,
        });
      }
      if (time > maxEventTime[batch.partition]!) maxEventTime[batch.partition] = time;
    }
    resolveOffset(batch.lastOffset());
    await closeWindows();
    await heartbeat();
  },
});
