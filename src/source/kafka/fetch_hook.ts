// Installs our Fetch decoder in kafkajs for the consumers that ask for it, and reports when and from which position each fetch was sent.
// Changes one shared object of kafkajs, once per process; no I/O of its own.
import type { Buffer } from "node:buffer";
import { StreamStopped } from "../../shared/errors.ts";
import { decodeFetchResponse, type PartitionResponse } from "./decode/fetch_decoder.ts";
import { framePool } from "./frame_pool.ts";
import type { FetchTerms } from "./patience.ts";
import { errorOfCode, fetchDefinition, type FetchOptions, type ProtocolRequest } from "./internals.ts";

/** The Fetch version that we decode: the highest that kafkajs speaks; every broker since Kafka 2.3 offers it. */
const FETCH_VERSION = 11;

/** Kafka's OFFSET_OUT_OF_RANGE. kafkajs would silently move to another offset; here the source gets the error as a result. */
export const OFFSET_OUT_OF_RANGE = 1;

/** Pause after a leader has moved. Without it, kafkajs asks again thousands of times a second. */
const LEADER_RETRY_MS = 100;

/** One partition's part of a fetch that succeeded or found its position out of range. */
export interface FetchResult<Sent> extends PartitionResponse {
  /** The position that was asked for. */
  readonly from: number;
  /** What `sending` returned for this partition. */
  readonly sent: Sent;
  /** To be called when the records are no longer needed. After the last partition's call the response's memory is used again. */
  readonly done: () => void;
}

/** A consumer's side of the hook. */
interface FetchTap<Sent> {
  /** Called for each partition when its request is encoded, just before it is sent. */
  sending(partition: number): Sent;
  /** Wait and size of a fetch of these partitions; default: the consumer's options. */
  terms?(partitions: readonly number[]): FetchTerms;
  pause(ms: number): Promise<void>;
}

/** A message as the consumer hands it to `eachBatch`: exactly one per partition and fetch, even if that fetch is empty. */
export interface FetchMessage<Sent> {
  readonly result: FetchResult<Sent>;
}

const taps = new Map<string, FetchTap<unknown>>();
let installed = false;
let tags = 0;

/**
 * Registers a tap and returns a tag, with which its consumer must be created as `rackId`: the only option that reaches every fetch of a
 * consumer unchanged. The request is sent without it. Other consumers of the process are not affected.
 */
export function registerFetchTap<Sent>(tap: FetchTap<Sent>): { readonly rackId: string; readonly remove: () => void } {
  installFetchDecoder();
  const rackId = `tidemark-tap-${++tags}`;
  taps.set(rackId, tap);
  return { rackId, remove: () => void taps.delete(rackId) };
}

/** Replaces kafkajs' Fetch request builder, once, by one that looks for a tap. */
function installFetchDecoder(): void {
  if (installed) return;
  installed = true;
  const original = fetchDefinition.protocol;
  fetchDefinition.protocol = ({ version }) => (options) => {
    const tap = taps.get(options.rackId ?? "");
    if (tap === undefined) return original({ version })(options);
    if (version !== FETCH_VERSION) throw unsupportedVersion(version);
    const { maxWaitTime, minBytes, topics } = options;
    const terms = tap.terms?.(topics.flatMap(({ partitions }) => partitions.map(({ partition }) => partition)));
    // The builder derives the request's time limit from the wait.
    const asked = { maxWaitTime: terms?.maxWaitMs ?? maxWaitTime, minBytes: terms?.minBytes ?? minBytes, rackId: "" };
    return tapped(original({ version })({ ...options, ...asked }), options, tap);
  };
}

function tapped<Sent>(
  plain: ProtocolRequest<unknown, unknown>,
  options: FetchOptions,
  tap: FetchTap<Sent>,
): ProtocolRequest<unknown, unknown> {
  const asked = new Map<string, { readonly from: number; readonly sent: Sent }>();
  return {
    ...plain,
    request: {
      ...plain.request,
      encode: () => {
        for (const { topic, partitions } of options.topics) {
          for (const { partition, fetchOffset } of partitions) {
            asked.set(`${topic}/${partition}`, { from: Number(fetchOffset), sent: tap.sending(partition) });
          }
        }
        return plain.request.encode();
      },
    },
    response: {
      decode: async (raw: Buffer) => {
        const response = decodeFetchResponse(raw), held = holders(() => framePool.release(raw.buffer));
        if (response.errorCode !== 0) throw errorOfCode(response.errorCode);
        const failed = response.topics.flatMap(({ partitions }) => partitions).find(({ errorCode }) =>
          isFailure(errorCode)
        );
        const responses = response.topics.map(({ topic, partitions }) => ({
          topicName: topic,
          partitions: partitions.filter(({ errorCode }) => !isFailure(errorCode)).map((part) => {
            const request = asked.get(`${topic}/${part.partition}`);
            if (request === undefined) throw new Error(`The broker answered for ${topic}/${part.partition}, unasked`);
            return partitionOf({ ...part, ...request, done: held(part.records) });
          }),
        }));
        // A partition without a leader must not delay the others: the metadata are read again within seconds.
        if (failed !== undefined && responses.every(({ partitions }) => partitions.every(({ idle }) => idle))) {
          await tap.pause(LEADER_RETRY_MS);
          throw errorOfCode(failed.errorCode);
        }
        return {
          throttleTime: 0,
          clientSideThrottleTime: response.throttleMs,
          errorCode: 0,
          sessionId: response.sessionId,
          responses,
        };
      },
      parse: (decoded) => Promise.resolve(decoded),
    },
  };
}

/** Returns a function that makes `done` for one partition's records. After all of them were called, it calls `release`. */
function holders(release: () => void): (records: Uint8Array) => () => void {
  let held = 0;
  return (records) => {
    if (records.length === 0) return () => {};
    let holds = true;
    held++;
    return () => {
      if (!holds) return;
      holds = false;
      if (--held === 0) release();
    };
  };
}

function isFailure(errorCode: number): boolean {
  return errorCode !== 0 && errorCode !== OFFSET_OUT_OF_RANGE;
}

/** The highest possible offset: kafkajs drops messages below the position that it asked for, and this message must pass. */
const ALWAYS_DELIVERED = "9223372036854775807";

function partitionOf<Sent>(result: FetchResult<Sent>) {
  const message = { offset: ALWAYS_DELIVERED, isControlRecord: false, key: null, result };
  return {
    partition: result.partition,
    errorCode: 0,
    highWatermark: String(result.logEnd),
    lastStableOffset: String(result.lastStable),
    lastStartOffset: String(result.logStart),
    abortedTransactions: [],
    preferredReadReplica: -1,
    messages: [message],
    idle: result.errorCode === 0 && result.records.length === 0,
  };
}

function unsupportedVersion(version: number): Error {
  const error = new StreamStopped(
    "source_refused",
    `The broker offers Fetch version ${version}, Tidemark reads version ${FETCH_VERSION}`,
    "Use a broker of Kafka 2.3 or later.",
  );
  // Otherwise kafkajs would retry.
  return Object.assign(error, { retriable: false });
}
