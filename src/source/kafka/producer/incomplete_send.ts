// The error of a sender when not all records were acknowledged. No I/O.

/** Records without an acknowledgement may be in the topic nevertheless: the answer may have been lost. */
export class IncompleteSend extends Error {
  override readonly name = "IncompleteSend";
  /** @param acknowledged for each record that was given to `send` */
  constructor(readonly acknowledged: readonly boolean[], reason: string, options: ErrorOptions = {}) {
    super(reason, options);
  }
}
