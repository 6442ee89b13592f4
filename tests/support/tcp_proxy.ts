// A TCP proxy that misbehaves on request, for fault tests. Shell: sockets and timers.

export type Side = "client" | "server";

/** Cuts both ends at a byte pattern. */
export interface CutRule {
  /** Who sends the pattern. */
  readonly from: Side;
  /** UTF-8 text or raw bytes; also found if it is split over reads. */
  readonly pattern: string | Uint8Array;
  /** `before`: the pattern's (remaining) bytes are not delivered. `after`: they are delivered, and nothing after them. */
  readonly when: "before" | "after";
}

/** A proxy in front of one address; `await using` stops it. It treats all connections alike. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** `host:port` of the proxy. */
  readonly url: string;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** New connections go to this `host:port`. */
  aim(target: string): void;
  /** Closes all present connections; new ones are accepted. */
  cut(): void;
  /** Refuses new connections and closes present ones, until `up`. */
  down(): Promise<void>;
  up(): void;
  /** Delivers nothing in either direction and keeps connections open, as a network does that loses packets. */
  pause(): void;
  resume(): void;
  /** Delays each piece by `ms` (0 = off). */
  delay(ms: number): void;
  /** Delivers at most `bytes` in one write (Infinity = off). */
  chunk(bytes: number): void;
  /** Resolves once the rule has cut a connection; it works once. */
  cutOn(rule: CutRule): Promise<void>;
  /** Sees every piece that `side` sends, before it is delivered; undefined ends it. */
  tap(side: Side, hook: ((bytes: Uint8Array) => void) | undefined): void;
  stop(): Promise<void>;
}

interface Rule extends CutRule {
  readonly bytes: Uint8Array;
  readonly done: () => void;
}

/** Starts a proxy on a free loopback port in front of `target` (`host:port`). */
export function startProxy(target: string): TcpProxy {
  let address = addressOf(target);
  const connections = new Set<Connection>();
  const rules = new Set<Rule>();
  const taps: Partial<Record<Side, (bytes: Uint8Array) => void>> = {};
  const state: Weather = { delayMs: 0, chunkBytes: Infinity, gate: Promise.resolve(), rules, taps };
  let open = () => {};
  let accepted = 0;
  let listener: Deno.TcpListener | undefined = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const accept = async (from: Deno.TcpListener) => {
    for await (const client of from) {
      accepted++;
      const connection = new Connection(client, address, state);
      connections.add(connection);
      connection.done.finally(() => connections.delete(connection));
    }
  };
  let accepting = accept(listener);
  const cut = () => connections.forEach((connection) => connection.close());
  const down = async () => {
    listener?.close();
    listener = undefined;
    cut();
    // The port is free only once the pending accept has ended.
    await accepting;
  };
  const resume = () => open();
  const stop = async () => {
    resume();
    await down();
    await Promise.all([...connections].map((connection) => connection.done));
  };
  return {
    port,
    url: `127.0.0.1:${port}`,
    get accepted() {
      return accepted;
    },
    aim: (target) => void (address = addressOf(target)),
    cut,
    down,
    up() {
      if (listener) return;
      listener = Deno.listen({ hostname: "127.0.0.1", port });
      accepting = accept(listener);
    },
    pause() {
      const gate = Promise.withResolvers<void>();
      const before = open;
      state.gate = gate.promise;
      open = () => {
        before();
        gate.resolve();
      };
    },
    resume,
    delay: (ms) => void (state.delayMs = ms),
    chunk: (bytes) => void (state.chunkBytes = bytes),
    cutOn: (rule) =>
      new Promise((done) => {
        const bytes = typeof rule.pattern === "string" ? new TextEncoder().encode(rule.pattern) : rule.pattern;
        rules.add({ ...rule, bytes, done });
      }),
    tap: (side, hook) => {
      if (hook) taps[side] = hook;
      else delete taps[side];
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function addressOf(target: string): Deno.ConnectOptions {
  const at = target.lastIndexOf(":");
  return { hostname: target.slice(0, at), port: Number(target.slice(at + 1)) };
}

/** The present rules for all connections. */
interface Weather {
  delayMs: number;
  chunkBytes: number;
  /** Pending while nothing may flow. */
  gate: Promise<void>;
  readonly rules: Set<Rule>;
  readonly taps: Readonly<Partial<Record<Side, (bytes: Uint8Array) => void>>>;
}

class Connection {
  readonly done: Promise<void>;
  #server: Deno.TcpConn | undefined;
  #closed = false;

  constructor(readonly client: Deno.TcpConn, target: Deno.ConnectOptions, readonly weather: Weather) {
    this.done = this.#run(target);
  }

  close() {
    this.#closed = true;
    closeQuietly(this.client);
    if (this.#server) closeQuietly(this.#server);
  }

  async #run(target: Deno.ConnectOptions) {
    try {
      this.#server = await Deno.connect(target);
      if (this.#closed) return;
      this.client.setNoDelay(true);
      this.#server.setNoDelay(true);
      await Promise.race([
        this.#pump("client", this.client, this.#server),
        this.#pump("server", this.#server, this.client),
      ]);
    } catch (error) {
      // The target refused, or an end was closed during a read or write. The other end gets a closed connection.
      if (!isSocketError(error)) throw error;
    } finally {
      this.close();
    }
  }

  async #pump(side: Side, from: Deno.TcpConn, to: Deno.TcpConn) {
    const buffer = new Uint8Array(65_536);
    // The bytes before, as far as a pattern may have begun in them.
    let tail: Uint8Array = new Uint8Array(0);
    try {
      for (;;) {
        const count = await from.read(buffer);
        if (count === null) return;
        const piece = buffer.slice(0, count);
        this.weather.taps[side]?.(piece);
        if (this.weather.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.weather.delayMs));
        await this.weather.gate;
        const seen = join(tail, piece);
        for (const rule of this.weather.rules) {
          if (rule.from !== side) continue;
          const at = indexOf(seen, rule.bytes);
          if (at < 0) continue;
          const end = at + (rule.when === "after" ? rule.bytes.length : 0) - tail.length;
          this.weather.rules.delete(rule);
          try {
            await this.#deliver(piece.subarray(0, Math.max(0, end)), to);
          } finally {
            // The rule is used up, even if the other end was closed meanwhile.
            this.close();
            rule.done();
          }
          return;
        }
        await this.#deliver(piece, to);
        const longest = Math.max(1, ...[...this.weather.rules].map((rule) => rule.bytes.length));
        tail = longest === 1 ? new Uint8Array(0) : seen.slice(-(longest - 1));
      }
    } catch (error) {
      if (!isSocketError(error)) throw error;
    }
  }

  async #deliver(bytes: Uint8Array, to: Deno.TcpConn) {
    for (let done = 0; done < bytes.length;) {
      done += await to.write(bytes.subarray(done, done + Math.min(this.weather.chunkBytes, bytes.length)));
    }
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

function indexOf(haystack: Uint8Array, needle: Uint8Array): number {
  for (let at = 0; at + needle.length <= haystack.length; at++) {
    let i = 0;
    while (i < needle.length && haystack[at + i] === needle[i]) i++;
    if (i === needle.length) return at;
  }
  return -1;
}

function closeQuietly(socket: Deno.TcpConn) {
  try {
    socket.close();
  } catch (error) {
    if (!isSocketError(error)) throw error;
  }
}

function isSocketError(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionAborted;
}
