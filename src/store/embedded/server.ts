// Serves one PGlite database to several PostgreSQL connections on the loopback interface. Shell: sockets.
//
// PGlite is one PostgreSQL session, so connections take turns. A turn lasts from a connection's first message to the ReadyForQuery that
// reports no open transaction. A shorter turn would be wrong: another connection's Parse would replace this one's unnamed statement, and
// after an error PGlite would skip the other's messages up to the next Sync. The stream's connections go first (turns.ts); readers wait and
// run for a bounded time; a client that leaves while it waits is not served.
import { Connection, type ConnectionOptions } from "./connection.ts";
import { execute, startupPacket } from "./protocol.ts";
import { Turns } from "./turns.ts";

export interface EmbeddedServerOptions extends ConnectionOptions {
  readonly onFailure: (error: unknown) => void;
}

/** The name of the only user and of the only database. */
export const EMBEDDED_NAME = "postgres";

/** A loopback server in front of one PGlite database. */
export class EmbeddedServer {
  readonly #turns = new Turns(() => performance.now(), turnOfEventLoop);
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Connection>();

  private constructor(private readonly options: EmbeddedServerOptions, private readonly welcome: Uint8Array) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accept().catch(options.onFailure);
  }

  static async start(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
    // The reply to a startup packet is the same for all clients: authentication, parameters, ready.
    const welcome = await execute(options.database, startupPacket(EMBEDDED_NAME, EMBEDDED_NAME));
    return new EmbeddedServer(options, welcome);
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Closes all connections, rolls back what they had open, and waits for the statement that is running. */
  async stop(): Promise<void> {
    this.#listener.close();
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }

  /** Whether an engine uses the database: then readers' statements are bounded. */
  get #hasStream(): boolean {
    for (const { rank } of this.#connections) if (rank === "commit") return true;
    return false;
  }

  async #accept() {
    for await (const socket of this.#listener) {
      socket.setNoDelay(true);
      const connection = new Connection(socket, this.options, this.#turns, this.welcome, () => this.#hasStream);
      this.#connections.add(connection);
      connection.done.then(() => this.#connections.delete(connection), this.options.onFailure);
    }
  }
}

/** Resolves when all bytes that have arrived are read and all timers that were due have fired. */
async function turnOfEventLoop(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise<void>((resolve) => setTimeout(resolve, 0));
}
