// Serves one PGlite database to several PostgreSQL connections on the loopback interface. Shell: sockets.
//
// PGlite is one PostgreSQL session, so its connections take turns. A turn lasts from a connection's first message to the
// ReadyForQuery that says "no transaction": never shorter, since another connection's Parse would replace its unnamed statement, or
// its error would make PGlite skip the other's messages up to the next Sync.
import {
  closeStatement,
  fatal,
  firstText,
  messageLength,
  messageType,
  parseOpening,
  PASSWORD_REQUEST,
  query,
  readsClientData,
  refusal,
  settingsSql,
  startupPacket,
  SYNC,
} from "./protocol.ts";
import { Turns } from "./turns.ts";

/** The one method of PGlite that the server needs. */
export interface Database {
  execProtocolRawStream(
    message: Uint8Array,
    options: { syncToFs: boolean; onRawData: (data: Uint8Array) => void },
  ): Promise<void>;
}

export interface EmbeddedServerOptions {
  readonly database: Database;
  /** Clients must send it; other users of the machine can reach the port. */
  readonly password: string;
  /** A connection that keeps the others waiting without sending anything for so long is closed and rolled back. */
  readonly holdMsMax: number;
  readonly onFailure: (error: unknown) => void;
}

/** The name of the only user and of the only database. */
export const EMBEDDED_NAME = "postgres";

/** Room for one read from a socket. */
const READ_BYTES = 65_536;

/** A loopback server in front of one PGlite database. */
export class EmbeddedServer {
  readonly #options: EmbeddedServerOptions;
  readonly #turns = new Turns();
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Connection>();
  readonly #welcome: Uint8Array;

  private constructor(options: EmbeddedServerOptions, welcome: Uint8Array) {
    this.#options = options;
    this.#welcome = welcome;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accept().catch(options.onFailure);
  }

  static async start(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
    // The reply to a startup packet is the same for all: authentication, parameters, ready.
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

  async #accept() {
    for await (const socket of this.#listener) {
      socket.setNoDelay(true);
      const connection = new Connection(socket, this.#options, this.#turns, this.#welcome);
      this.#connections.add(connection);
      connection.done.then(() => this.#connections.delete(connection), this.#options.onFailure);
    }
  }
}

class Connection {
  /** Resolves when the socket is closed and the turn given back; rejects when PGlite itself failed. */
  readonly done: Promise<void>;
  readonly #statements = new Set<string>();
  /** Bytes [from, to) are received and not yet used. */
  #bytes = new Uint8Array(2 * READ_BYTES);
  #from = 0;
  #to = 0;
  #parameters: ReadonlyMap<string, string> = new Map();
  #myTurn = false;

  constructor(
    readonly socket: Deno.TcpConn,
    readonly options: EmbeddedServerOptions,
    readonly turns: Turns,
    readonly welcome: Uint8Array,
  ) {
    this.done = this.#serve();
  }

  async close(): Promise<void> {
    closeSocket(this.socket);
    await this.done;
  }

  async #serve() {
    try {
      if (await this.#open()) await this.#run();
    } catch (error) {
      // The client is gone or no PostgreSQL client; whatever it had open is undone below.
      if (!(error instanceof ClientGone)) throw error;
    } finally {
      closeSocket(this.socket);
      await this.#undo();
    }
  }

  /** The handshake: whether the client may go on. */
  async #open(): Promise<boolean> {
    for (;;) {
      const opening = parseOpening(this.#buffer);
      if (opening.kind === "incomplete") {
        if (!await this.#read()) return false;
      } else if (opening.kind === "encryption") {
        this.#take(opening.length);
        await this.#write(new TextEncoder().encode("N"));
      } else if (opening.kind === "startup") {
        this.#take(opening.length);
        this.#parameters = opening.parameters;
        break;
      } else return false;
    }
    await this.#write(PASSWORD_REQUEST);
    const reply = await this.#next();
    if (!reply || messageType(reply) !== "p" || firstText(reply) !== this.options.password) {
      await this.#write(fatal("28P01", "password authentication failed"));
      return false;
    }
    await this.#write(this.welcome);
    return true;
  }

  async #run() {
    for (let message = await this.#next(); message; message = await this.#next()) {
      const type = messageType(message);
      if (type === "X") return;
      if (type === "P" && firstText(message) !== "") this.#statements.add(firstText(message));
      if ((type === "Q" || type === "P") && readsClientData(message)) message = refusal(type);
      await this.#begin();
      const reply = await execute(this.options.database, message);
      // Only these end with ReadyForQuery, whose last byte is the transaction status; `I` is "none".
      const ready = type === "S" || type === "Q" || type === "F";
      // Before the write: a client that reads slowly keeps nobody waiting.
      if (ready && reply.at(-1) === 0x49) this.#end();
      await this.#write(reply);
    }
  }

  async #begin() {
    if (this.#myTurn) return;
    await this.turns.take();
    this.#myTurn = true;
    const settings = settingsSql(this.#parameters);
    if (this.turns.settings === settings) return;
    await execute(this.options.database, query(settings));
    this.turns.settings = settings;
  }

  #end() {
    this.#myTurn = false;
    this.turns.give();
  }

  async #undo() {
    if (!this.#myTurn && this.#statements.size === 0) return;
    const { database } = this.options;
    if (this.#myTurn) {
      // Ends the skipping after an error, and an implicit transaction, before the explicit one is rolled back.
      await execute(database, SYNC);
      await execute(database, query("rollback"));
    } else await this.#begin();
    for (const name of this.#statements) await execute(database, closeStatement(name));
    await execute(database, SYNC);
    this.#end();
  }

  /** The next whole message, or undefined when the client has left. */
  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      let length: number;
      try {
        length = messageLength(this.#buffer);
      } catch (cause) {
        throw new ClientGone({ cause });
      }
      if (length > 0) return this.#take(length);
      if (!await this.#read()) return undefined;
    }
  }

  get #buffer(): Uint8Array {
    return this.#bytes.subarray(this.#from, this.#to);
  }

  #take(length: number): Uint8Array {
    this.#from += length;
    return this.#bytes.slice(this.#from - length, this.#from);
  }

  async #read(): Promise<boolean> {
    if (this.#bytes.length - this.#to < READ_BYTES) {
      const held = this.#buffer;
      // Doubling keeps a commit of many megabytes from being copied once per read.
      const bytes = new Uint8Array(Math.max(2 * held.length, 2 * READ_BYTES));
      bytes.set(held);
      this.#bytes = bytes;
      this.#to = held.length;
      this.#from = 0;
    }
    const timer = this.#myTurn ? setTimeout(() => closeSocket(this.socket), this.options.holdMsMax) : undefined;
    try {
      const count = await this.socket.read(this.#bytes.subarray(this.#to));
      if (count === null) return false;
      this.#to += count;
      return true;
    } catch (cause) {
      throw new ClientGone({ cause });
    } finally {
      clearTimeout(timer);
    }
  }

  async #write(bytes: Uint8Array) {
    try {
      for (let done = 0; done < bytes.length;) done += await this.socket.write(bytes.subarray(done));
    } catch (cause) {
      throw new ClientGone({ cause });
    }
  }
}

/** The socket broke or spoke no PostgreSQL: ends one connection, concerns nobody else. */
class ClientGone extends Error {
  constructor(options: ErrorOptions) {
    super("client gone", options);
  }
}

/** Runs one message to its end; the copy is needed since PGlite reuses its buffer. */
async function execute(database: Database, message: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await database.execProtocolRawStream(message, {
    syncToFs: false,
    onRawData: (data) => void parts.push(data.slice()),
  });
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function closeSocket(socket: Deno.TcpConn) {
  try {
    socket.close();
  } catch (error) {
    // Closed already, by the client's leaving or by stop().
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
