// What the embedded server refuses, by SQLSTATE. No I/O.

/** A reader has waited for its turn for too long: the stream goes first. */
export const READER_REFUSED = "TM020";

export const readerRefusal = {
  sqlState: READER_REFUSED,
  text: "the embedded database serves the stream first, and this reader has waited too long for its turn",
};
