// Writes lines to a standard stream without blocking or throwing: a closed or slow reader must not stop the stream. Shell.

interface Sink {
  write(bytes: Uint8Array): Promise<number>;
}

interface LineWriterOptions {
  /** Most characters that wait for a slow reader; further lines are dropped and counted. Default: no limit. */
  readonly waitingMax?: number;
}

/** A queue of lines before a sink. */
export class LineWriter {
  readonly #waitingMax: number;
  #waiting = "";
  #dropped = 0;
  #closed = false;
  #progress = false;
  #pump: Promise<void> | undefined;

  constructor(private readonly sink: Sink, options: LineWriterOptions = {}) {
    this.#waitingMax = options.waitingMax ?? Infinity;
  }

  /** Whether the reader has closed its end. */
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

  /** Resolves when all is written or the reader has closed its end. Never rejects. */
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
    // Lines of the same turn of the event loop are written together. Also, `#pump` must be set before this function ends.
    await Promise.resolve();
    while (this.#waiting !== "") {
      let bytes = new TextEncoder().encode(this.#waiting);
      this.#waiting = "";
      try {
        while (bytes.length > 0) bytes = bytes.subarray(await this.sink.write(bytes));
      } catch {
        // The reader closed its end (`| head`) or the disk is full; neither stops the program.
        this.#closed = true;
        this.#waiting = "";
      }
    }
    // Without an await after the last check, so that no line is added in between and left waiting.
    this.#pump = undefined;
  }
}
