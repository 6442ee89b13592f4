// The global scope of a worker, typed by the messages of the thread. Types, and one cast.

/** `In`: messages to the worker. `Out`: messages from it. */
interface WorkerScope<In, Out> {
  onmessage: ((event: MessageEvent<In>) => void) | null;
  postMessage(message: Out): void;
}

/** TypeScript's library for workers cannot be used, because it would also apply to the rest of the program. */
export const workerScope = <In, Out>(): WorkerScope<In, Out> => globalThis as unknown as WorkerScope<In, Out>;
