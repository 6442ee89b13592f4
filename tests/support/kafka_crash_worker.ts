// A group member that can be killed like a process: it runs as a Worker, and when that is terminated, its sockets close without a leave of the
// group. It posts its member id once it has joined.
import { TestReader, testSource } from "./kafka_reader.ts";
import type { TestBroker } from "./kafka_broker.ts";

/** The part of a worker's global object that is used here; the type check knows only the main thread's. */
const worker = globalThis as unknown as {
  onmessage: (event: MessageEvent<{ url: string; topic: string }>) => void;
  postMessage(id: string): void;
};

worker.onmessage = async ({ data }) => {
  let id = "";
  const broker = { url: data.url } as TestBroker;
  const source = testSource(broker, data.topic, { onMemberId: (memberId) => id = memberId });
  const reader = await new TestReader(source).open();
  await reader.event("assigned");
  worker.postMessage(id);
  await reader.until(() => false, 600_000);
};
