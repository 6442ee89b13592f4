// Serves one PGlite database to several PostgreSQL connections on the loopback interface. Shell: sockets.
//
// PGlite is one PostgreSQL session, so its connections take turns. A turn lasts from a connection's first message to the
// ReadyForQuery that says "no transaction": never shorter, since another connection's Parse would replace its unnamed statement, or
// its error would make PGlite skip the other's messages up to the next Sync. The stream's connections go first (turns.ts); readers wait and
// run for a bounded time, and a client that leaves while it waits is never served.
import { readerRefusal } from "./errors.ts";
import {
  closeStatement,
  errorResponse,
  fatal,
  firstText,
  messageLength,
  messageType,
  parseOpening,
  PASSWORD_REQUEST,
  query,
  readsClientData,
  READY,
  refusal,
  settingsSql,
  startupPacket,
  SYNC,
} from "./protocol.ts";
import { rankOf } from "./rank.ts";
import { type Rank, Turns } from "./turns.ts";

/** What the server needs of PGlite. */
export interface Database {
  execProtocolRawStream(
    message: Uint8Array,
    options: { syncToFs: boolean; onRawData: (data: Uint8Array) => void },
  ): Promise<void>;
  /** A statement that runs past this time (`performance.now()`) is cancelled with SQLSTATE 57014 when it next touches a file. */
  cancelAfter?(time: number): void;
}

export interface EmbeddedServerOptions {
  readonly database: Database;
  /** Clients must send it; other users of the machine can reach the port. */
  readonly password: string;
  /** A connection that keeps the others waiting without sending anything for so long is closed and rolled back. */
  readonly holdMsMax: number;
  /** A reader waits at most so long for its turn, then it is refused. */
  readonly readerWaitMsMax: number;
  /** A reader's statement may take so long while the stream is connected. */
  readonly readerMsMax: number;
  readonly onFailure: (error: unknown) => void;
}

/** The name of the only user and of the only database. */
export const EMBEDDED_NAME = "postgres";

/** Room for one read from a socket. */
const READ_BYTES = 65_536;
/** A client that waits for its turn is listened to, to notice that it leaves, until it has sent so much. */
const HEARD_BYTES_MAX = 4 * 1024 * 1024;

/** A loopback server in front of one PGlite database. */
export class EmbeddedServer {
  readonly #options: EmbeddedServerOptions;
  readonly #turns = new Turns(() => performance.now(), turnOfEventLoop);
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

  /** Whether an engine uses the database: then readers' statements are bounded. */
  get #hasStream(): boolean {
    for (const { rank } of this.#connections) if (rank === "commit") return true;
    return false;
  }

  async #accept() {
    for await (const socket of this.#listener) {
      socket.setNoDelay(true);
      const connection = new Connection(socket, this.#options, this.#turns, this.#welcome, () => this.#hasStream);
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
  /** A read that was begun and not waited for to its end. */
  #reading: Promise<boolean> | null = null;
  /** The turn was refused: messages are skipped up to the end of the exchange. */
  #refused = false;
  rank: Rank | null = null;

  constructor(
    readonly socket: Deno.TcpConn,
    readonly options: EmbeddedServerOptions,
    readonly turns: Turns,
    readonly welcome: Uint8Array,
    readonly hasStream: () => boolean,
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
        this.rank = rankOf(opening.parameters);
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
      // Only these end with ReadyForQuery, whose last byte is the transaction status; `I` is "none".
      const ready = type === "S" || type === "Q" || type === "F";
      if (this.#refused || !await this.#begin()) {
        await this.#refuse(ready);
        continue;
      }
      const reply = await this.#execute(message);
      // Before the write: a client that reads slowly keeps no other one waiting.
      if (ready && reply.at(-1) === 0x49) this.#end();
      await this.#write(reply);
    }
  }

  /** Waits for the turn; false where a reader has waited for too long. @throws ClientGone where the client leaves meanwhile */
  async #begin(): Promise<boolean> {
    if (this.#myTurn) return true;
    if (!await this.#takeTurn(true)) return false;
    const settings = settingsSql(this.#parameters);
    if (this.turns.settings === settings) return true;
    await execute(this.options.database, query(settings));
    this.turns.settings = settings;
    return true;
  }

  async #takeTurn(heard: boolean): Promise<boolean> {
    const rank = this.rank ?? "reader", leaving = new AbortController();
    const timer = rank === "reader" && heard
      ? setTimeout(() => leaving.abort(TIRED), this.options.readerWaitMsMax)
      : undefined;
    const turn = this.turns.take(rank, leaving.signal).then(() => true, () => false);
    try {
      // What the client sends meanwhile is kept; that it leaves must not be found out only after its statement has run.
      for (let open = heard; open && this.#to - this.#from < HEARD_BYTES_MAX;) {
        const first = await Promise.race([turn.then(() => "turn" as const), this.#receive()]);
        if (first === "turn") break;
        open = first;
        if (!open) leaving.abort(GONE);
      }
      this.#myTurn = await turn;
    } catch (cause) {
      leaving.abort(GONE);
      if (await turn) this.turns.give();
      throw new ClientGone({ cause });
    } finally {
      clearTimeout(timer);
    }
    if (!this.#myTurn && leaving.signal.reason === GONE) throw new ClientGone({});
    return this.#myTurn;
  }

  /** Says once that the turn was refused, and skips the messages of the exchange: no transaction is open. */
  async #refuse(ready: boolean) {
    if (!this.#refused) await this.#write(errorResponse(readerRefusal));
    this.#refused = !ready;
    if (ready) await this.#write(READY);
  }

  async #execute(message: Uint8Array): Promise<Uint8Array> {
    const { database, readerMsMax } = this.options;
    if (this.rank !== "reader" || !this.hasStream()) return await execute(database, message);
    database.cancelAfter?.(performance.now() + readerMsMax);
    try {
      return await execute(database, message);
    } finally {
      database.cancelAfter?.(Infinity);
    }
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
    } else await this.#takeTurn(false);
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
    const timer = this.#myTurn ? setTimeout(() => closeSocket(this.socket), this.options.holdMsMax) : undefined;
    try {
      return await this.#receive();
    } catch (cause) {
      throw new ClientGone({ cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Reads once: whether the client is still there. One read is under way at a time, however many wait for it. */
  #receive(): Promise<boolean> {
    this.#reading ??= this.#receiveBytes().finally(() => this.#reading = null);
    return this.#reading;
  }

  async #receiveBytes(): Promise<boolean> {
    if (this.#bytes.length - this.#to < READ_BYTES) {
      const held = this.#buffer;
      // Doubling keeps a commit of many megabytes from being copied once per read.
      const bytes = new Uint8Array(Math.max(2 * held.length, 2 * READ_BYTES));
      bytes.set(held);
      this.#bytes = bytes;
      this.#to = held.length;
      this.#from = 0;
    }
    const count = await this.socket.read(this.#bytes.subarray(this.#to));
    if (count === null) return false;
    this.#to += count;
    return true;
  }

  async #write(bytes: Uint8Array) {
    try {
      for (let done = 0; done < bytes.length;) done += await this.socket.write(bytes.subarray(done));
    } catch (cause) {
      throw new ClientGone({ cause });
    }
  }
}

/** Why a connection leaves the queue. */
const TIRED = "waited for too long", GONE = "the client is gone";

/** The socket broke or spoke no PostgreSQL: ends one connection and leaves the others alone. */
class ClientGone extends Error {
  constructor(options: ErrorOptions) {
    super("client gone", options);
  }
}

/** After it, what had arrived on the sockets is read, and timers that were due have fired. */
async function turnOfEventLoop(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise<void>((resolve) => setTimeout(resolve, 0));
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
