// A clock of their own for the processes of a fault run, by faketime. Shell: files.

/** Processes that get `env` see the time plus an offset; timers go on as they are. */
export class FakeClock implements AsyncDisposable {
  private constructor(readonly folder: string, readonly library: string) {}

  static async create(offsetMs = 0): Promise<FakeClock> {
    const library = await faketimeLibrary();
    const clock = new FakeClock(await Deno.makeTempDir({ prefix: "tidemark-clock-" }), library);
    await clock.set(offsetMs);
    return clock;
  }

  get env(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: this.library,
      FAKETIME_TIMESTAMP_FILE: `${this.folder}/offset`,
      FAKETIME_NO_CACHE: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** Sets the clocks of all processes at once. */
  async set(offsetMs: number): Promise<void> {
    const seconds = (offsetMs / 1000).toFixed(3);
    await Deno.writeTextFile(`${this.folder}/offset.new`, offsetMs < 0 ? seconds : `+${seconds}`);
    // Renamed, so that no reader sees half a number.
    await Deno.rename(`${this.folder}/offset.new`, `${this.folder}/offset`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function faketimeLibrary(): Promise<string> {
  for await (const { name } of Deno.readDir("/usr/lib")) {
    const path = `/usr/lib/${name}/faketime/libfaketimeMT.so.1`;
    try {
      await Deno.stat(path);
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) && !(error instanceof Deno.errors.NotADirectory)) throw error;
    }
  }
  throw new Error("No libfaketime: apt-get install faketime");
}
