// `deno task kafka`: a Kafka broker on localhost:9093 for a developer, until Ctrl-C. Its data lives in a temporary folder.
import { startBroker } from "./kafka_broker.ts";

const port = Number(Deno.args[0] ?? 9093);
const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
say(`Starting Kafka on 127.0.0.1:${port} …`);
const broker = await startBroker({ port });
say(`Kafka ${broker.version} answers on ${broker.url}. Ctrl-C stops it and deletes its data.`);
await new Promise<void>((resolve) => {
  Deno.addSignalListener("SIGINT", resolve);
  Deno.addSignalListener("SIGTERM", resolve);
});
await broker.stop();
Deno.exit(0);
