// What a sender rejects with where not everything was acknowledged. No I/O.

/** What is not acknowledged may be in the topic all the same, where only the answer was lost. */
export class IncompleteSend extends Error {
  override readonly name = "IncompleteSend";
  /** @param acknowledged by position in what was given to `send` */
  constructor(readonly acknowledged: readonly boolean[], reason: string, options: ErrorOptions = {}) {
    super(reason, options);
  }
}
