// What a broker's answer to a produce request means for each batch: stored, to be sent again, or refused. Pure.

/** One partition's part of an answer. */
interface PartitionAnswer {
  readonly partition: number;
  readonly errorCode: number;
}

export type BatchOutcome = "stored" | "again" | "refused";

/** Kafka's DUPLICATE_SEQUENCE_NUMBER: the log already holds this batch, so far back that the broker no longer knows its offset. */
const DUPLICATE_SEQUENCE = 46;

/**
 * Errors after which the identical batch may be sent again: the broker did not store it, or recognises it by its sequence number. They are:
 * unknown topic or partition, leader not available, not the leader, timed out, network, not enough replicas (before and after the append),
 * storage error, leader epochs, throttled, unstable.
 */
const PASSING: ReadonlySet<number> = new Set([3, 5, 6, 7, 8, 13, 14, 15, 16, 19, 20, 41, 56, 74, 75, 76, 89]);

/** @param errorCode Kafka's code; `undefined` if the answer leaves the partition out, which is not an acknowledgement */
export function outcomeOf(errorCode: number | undefined): BatchOutcome {
  if (errorCode === 0 || errorCode === DUPLICATE_SEQUENCE) return "stored";
  return errorCode === undefined || PASSING.has(errorCode) ? "again" : "refused";
}

/** The outcome of each batch that was sent, by the answer for its partition. */
export function outcomes<B extends { readonly partition: number }>(
  sent: readonly B[],
  answered: readonly PartitionAnswer[],
): readonly { readonly batch: B; readonly outcome: BatchOutcome; readonly errorCode: number | undefined }[] {
  const codes = new Map(answered.map(({ partition, errorCode }) => [partition, errorCode]));
  return sent.map((batch) => {
    const errorCode = codes.get(batch.partition);
    return { batch, outcome: outcomeOf(errorCode), errorCode };
  });
}
