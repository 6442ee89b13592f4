// A group member that can be killed like a process: started as a Worker and terminated, it closes its sockets without leaving the group.
// Says its member id once it has joined.
import { TestReader, testSource } from "./kafka_reader.ts";
import type { TestBroker } from "./kafka_broker.ts";

/** What a worker's global object offers; the shared type check knows the main thread's alone. */
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
