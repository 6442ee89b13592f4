// The few PostgreSQL wire messages that the embedded server reads or writes itself. No I/O but through PGlite.
// Source: PostgreSQL documentation, "Frontend/Backend Protocol", protocol 3.0.
import { Buffer } from "node:buffer";

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const PROTOCOL_3_0 = 196608;
/** A startup packet holds a few names. What sends a larger one is not a PostgreSQL client. */
const STARTUP_BYTES_MAX = 10_000;
/** PostgreSQL's own bound for one message is 1 GiB; this one has to hold the largest commit. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The request in a client's first bytes; `length` is the number of bytes it takes. */
type Opening =
  | { readonly kind: "incomplete" }
  /** Wants TLS or GSS: answer `N` and read the next opening. */
  | { readonly kind: "encryption"; readonly length: number }
  | { readonly kind: "cancel" }
  | { readonly kind: "startup"; readonly length: number; readonly parameters: ReadonlyMap<string, string> }
  | { readonly kind: "foreign" };

/** Reads the untyped packet that opens a connection. */
export function parseOpening(bytes: Uint8Array): Opening {
  if (bytes.length < 8) return { kind: "incomplete" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getInt32(0), code = view.getInt32(4);
  if (length < 8 || length > STARTUP_BYTES_MAX) return { kind: "foreign" };
  if (bytes.length < length) return { kind: "incomplete" };
  if (code === SSL_REQUEST || code === GSS_REQUEST) return { kind: "encryption", length };
  if (code === CANCEL_REQUEST) return { kind: "cancel" };
  if (code !== PROTOCOL_3_0) return { kind: "foreign" };
  const words = decoder.decode(bytes.subarray(8, length)).split("\0");
  const parameters = new Map<string, string>();
  for (let i = 0; i + 1 < words.length && words[i] !== ""; i += 2) parameters.set(words[i]!, words[i + 1]!);
  return { kind: "startup", length, parameters };
}

/** Length of the typed message at the start of `bytes`, or 0 while it is incomplete. @throws Error on an impossible length */
export function messageLength(bytes: Uint8Array): number {
  if (bytes.length < 5) return 0;
  const length = 1 + new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getInt32(1);
  if (length < 5 || length > MESSAGE_BYTES_MAX) {
    throw new Error(`Not a PostgreSQL message: its length is ${length} bytes.`);
  }
  return bytes.length < length ? 0 : length;
}

/** The type byte of a message as a letter. */
export function messageType(message: Uint8Array): string {
  return String.fromCharCode(message[0]!);
}

/** Text up to the first zero byte of a message's body: a password, or the name in a Parse. */
export function firstText(message: Uint8Array): string {
  const end = message.indexOf(0, 5);
  return decoder.decode(message.subarray(5, end < 0 ? message.length : end));
}

/**
 * Whether a Query or Parse holds `COPY … FROM STDIN`, which would block PGlite and its thread without end. A statement with these words in a
 * literal is refused too.
 */
export function readsClientData(message: Uint8Array): boolean {
  return /\bcopy\b[^;]*\bfrom\s+stdin\b/i.test(decoder.decode(message.subarray(5)));
}

/**
 * A Query or Parse that fails with an explanation, in place of one that PGlite must not see. Because the session itself raises the error,
 * its transaction is in the state that the client expects.
 */
export function refusal(type: "Q" | "P"): Uint8Array {
  const sql = 'select "COPY FROM STDIN is not supported by the embedded database"';
  return type === "Q" ? query(sql) : message("P", encoder.encode(`\0${sql}\0\0\0`));
}

/** A typed message around `body`. */
export function message(type: string, body: Uint8Array = new Uint8Array()): Uint8Array {
  const bytes = new Uint8Array(5 + body.length);
  bytes[0] = type.charCodeAt(0);
  new DataView(bytes.buffer).setInt32(1, 4 + body.length);
  bytes.set(body, 5);
  return bytes;
}

/** Asks for the password in clear text; the connection stays on this machine. */
export const PASSWORD_REQUEST = message("R", Uint8Array.of(0, 0, 0, 3));
export const SYNC = message("S");

/** A simple query. */
export const query = (sql: string): Uint8Array => message("Q", encoder.encode(`${sql}\0`));

/** Forgets a named prepared statement. */
export const closeStatement = (name: string): Uint8Array => message("C", encoder.encode(`S${name}\0`));

/** A fatal error, after which the connection is closed. */
export function fatal(sqlState: string, text: string): Uint8Array {
  return message("E", encoder.encode(`SFATAL\0VFATAL\0C${sqlState}\0M${text}\0\0`));
}

/** An error that ends one exchange, not the connection. */
export function errorResponse({ sqlState, text }: { readonly sqlState: string; readonly text: string }): Uint8Array {
  return message("E", encoder.encode(`SERROR\0VERROR\0C${sqlState}\0M${text}\0\0`));
}

/** Ready for the next exchange; no transaction is open. */
export const READY = message("Z", encoder.encode("I"));

/** A startup packet. */
export function startupPacket(user: string, database: string, application?: string): Uint8Array {
  const name = application === undefined ? "" : `application_name\0${application}\0`;
  const body = encoder.encode(`user\0${user}\0database\0${database}\0${name}\0`);
  const bytes = new Uint8Array(8 + body.length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, bytes.length);
  view.setInt32(4, PROTOCOL_3_0);
  bytes.set(body, 8);
  return bytes;
}

/** Statements that give a connection the settings of its startup packet and undo those of the connection before it. */
export function settingsSql(parameters: ReadonlyMap<string, string>): string {
  const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const sets = [...parameters]
    .filter(([name]) => !["user", "database", "replication", "options"].includes(name) && !name.startsWith("_pq_."))
    .map(([name, value]) => `select set_config(${literal(name)}, ${literal(value)}, false)`);
  return ["reset all", ...sets].join("; ");
}

/** SQLSTATE for a reader that has waited too long for its turn. */
const READER_REFUSED = "TM020";

export const readerRefusal = {
  sqlState: READER_REFUSED,
  text: "the embedded database serves the stream first, and this reader has waited too long for its turn",
};

/** The part of PGlite that the server uses. */
export interface ProtocolDatabase {
  execProtocolRawStream(
    message: Uint8Array,
    options: { syncToFs: boolean; onRawData: (data: Uint8Array) => void },
  ): Promise<void>;
  /** A statement that runs past this time (`performance.now()`) is cancelled with SQLSTATE 57014 when it next touches a file. */
  cancelAfter?(time: number): void;
}

/** Runs one message and returns the whole reply. The reply is copied, because PGlite reuses its buffer. */
export async function execute(database: ProtocolDatabase, message: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await database.execProtocolRawStream(message, {
    syncToFs: false,
    onRawData: (data) => void parts.push(data.slice()),
  });
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}
