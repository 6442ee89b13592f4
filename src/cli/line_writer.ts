// Writes lines to a standard stream without ever blocking the loop or throwing: a closed or stuck reader must not stop the stream. I/O.

/** What is needed of `Deno.stdout`. */
interface Sink {
  write(bytes: Uint8Array): Promise<number>;
}

interface LineWriterOptions {
  /** Most characters waiting for a slow reader; lines beyond are dropped and counted. Default: no limit, for results. */
  readonly waitingMax?: number;
}

/** A queue of lines in front of a sink. */
export class LineWriter {
  readonly #sink: Sink;
  readonly #waitingMax: number;
  #waiting = "";
  #dropped = 0;
  #closed = false;
  #progress = false;
  #pump: Promise<void> | undefined;

  constructor(sink: Sink, options: LineWriterOptions = {}) {
    this.#sink = sink;
    this.#waitingMax = options.waitingMax ?? Infinity;
  }

  /** Whether the reader went away: nothing that is written arrives any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Queues one line; the newline is added. */
  readonly line = (line: string): void => {
    if (this.#waiting.length > this.#waitingMax) {
      this.#dropped++;
      return;
    }
    const note = this.#dropped > 0 ? `(${this.#dropped} lines dropped: the reader is too slow)\n` : "";
    this.#dropped = 0;
    this.#add(`${this.#erase()}${note}${line}\n`);
  };

  /** Replaces the progress line of a terminal; the next {@link line} erases it. */
  readonly progress = (line: string): void => {
    const erase = this.#erase();
    this.#progress = line !== "";
    this.#add(`${erase}${line}`);
  };

  /** Resolves when all is written or the reader went away. Never rejects. */
  async flush(): Promise<void> {
    while (this.#pump) await this.#pump;
  }

  #erase(): string {
    if (!this.#progress) return "";
    this.#progress = false;
    return "\r\x1b[K";
  }

  #add(text: string): void {
    if (this.#closed || text === "") return;
    this.#waiting += text;
    this.#pump ??= this.#drain();
  }

  async #drain(): Promise<void> {
    // Lines of the same turn go out together, and `#pump` is set before this ends.
    await Promise.resolve();
    while (this.#waiting !== "") {
      let bytes = new TextEncoder().encode(this.#waiting);
      this.#waiting = "";
      try {
        while (bytes.length > 0) bytes = bytes.subarray(await this.#sink.write(bytes));
      } catch {
        // The reader closed its end (`| head`) or the disk is full: neither is a reason to stop.
        this.#closed = true;
        this.#waiting = "";
      }
    }
    // In the same step that saw nothing waiting: a line that came in between would wait for the next one.
    this.#pump = undefined;
  }
}
