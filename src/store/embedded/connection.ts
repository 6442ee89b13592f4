// One client of the embedded database: its handshake, its turns, and the rollback after it leaves. Shell: a socket.
import {
  closeStatement,
  errorResponse,
  execute,
  fatal,
  firstText,
  messageLength,
  messageType,
  parseOpening,
  PASSWORD_REQUEST,
  type ProtocolDatabase,
  query,
  readerRefusal,
  readsClientData,
  READY,
  refusal,
  settingsSql,
  SYNC,
} from "./protocol.ts";
import { type Rank, rankOf, type Turns } from "./turns.ts";

export interface ConnectionOptions {
  readonly database: ProtocolDatabase;
  /** Clients must send it, because other users of the machine can reach the port. */
  readonly password: string;
  /** A connection that holds its turn and sends nothing for this long is closed and rolled back. */
  readonly holdMsMax: number;
  /** A reader that has waited this long for its turn is refused. */
  readonly readerWaitMsMax: number;
  /** Limit of a reader's statement while the stream is connected. */
  readonly readerMsMax: number;
}

const READ_BYTES = 65_536;
/** While a client waits for its turn, the server reads from it up to this many bytes, in order to notice that the client leaves. */
const HEARD_BYTES_MAX = 4 * 1024 * 1024;

/** One client from its handshake to its end. */
export class Connection {
  /** Resolves when the socket is closed and the turn given back; rejects when PGlite itself failed. */
  readonly done: Promise<void>;
  readonly #statements = new Set<string>();
  /** Bytes [from, to) are received and not yet used. */
  #bytes = new Uint8Array(2 * READ_BYTES);
  #from = 0;
  #to = 0;
  #parameters: ReadonlyMap<string, string> = new Map();
  #myTurn = false;
  /** The read that is under way. */
  #reading: Promise<boolean> | null = null;
  /** The turn was refused: messages are skipped up to the end of the exchange. */
  #refused = false;
  rank: Rank | null = null;

  constructor(
    private readonly socket: Deno.TcpConn,
    private readonly options: ConnectionOptions,
    private readonly turns: Turns,
    private readonly welcome: Uint8Array,
    private readonly hasStream: () => boolean,
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
      // The client has left, or does not speak PostgreSQL. What it had open is rolled back below.
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
      // The replies to these end with ReadyForQuery, whose last byte is the transaction status; `I` = no transaction.
      const ready = type === "S" || type === "Q" || type === "F";
      if (this.#refused || !await this.#begin()) {
        await this.#refuse(ready);
        continue;
      }
      const reply = await this.#execute(message);
      // Before the write, so that a client that reads slowly does not keep others waiting.
      if (ready && reply.at(-1) === 0x49) this.#end();
      await this.#write(reply);
    }
  }

  /** Waits for the turn; false if a reader has waited too long. @throws ClientGone if the client leaves meanwhile */
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
      // Reads on, so that a client that leaves is noticed before its statement runs. What it sends is kept.
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

  /** Reports once that the turn was refused, and skips the messages of the exchange. No transaction is open. */
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
      // A Sync ends an implicit transaction and the skipping after an error; then the explicit one is rolled back.
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
      // Doubles the buffer, so that a commit of many megabytes is not copied at each read.
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

/** Reasons to leave the queue. */
const TIRED = "waited for too long", GONE = "the client is gone";

/** The socket broke, or its client does not speak PostgreSQL. It ends this connection only. */
class ClientGone extends Error {
  constructor(options: ErrorOptions) {
    super("client gone", options);
  }
}

function closeSocket(socket: Deno.TcpConn) {
  try {
    socket.close();
  } catch (error) {
    // Closed already, by the client or by stop().
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
