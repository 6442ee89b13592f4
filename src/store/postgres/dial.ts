// Opens the socket to one PostgreSQL server, with TLS and verification by the settings. Shell: sockets.
//
// postgres.js gets the finished socket. Its own TLS takes the answer of a server without TLS for data, takes an address for a host name, and
// reports neither as an error that explains the cause.
import { postgresUnavailable } from "../../shared/faults.ts";
import net from "node:net";
import tls from "node:tls";
import type { PostgresHost, PostgresTls } from "../../shared/config/postgres_url.ts";
import { tlsFault, tlsNotOffered } from "./faults.ts";

/** How the server is verified, and how we identify ourselves. */
export interface TlsOptions {
  readonly mode: PostgresTls;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string;
  /** PEM of the client's certificate and of its key. */
  readonly cert?: string;
  readonly key?: string;
}

const SSL_REQUEST = new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]);
const YES = 0x53, NO = 0x4e;
const CANCEL_CODE = 80_877_102, CANCEL_BYTES = 16;

/**
 * Connects, and encrypts if the mode asks for it.
 *
 * @throws Unavailable or NamedError that names the setting to change
 */
export async function dial(server: PostgresHost, options: TlsOptions, timeoutMs: number): Promise<net.Socket> {
  const abort = AbortSignal.timeout(timeoutMs);
  const socket = server.host.startsWith("/")
    ? net.connect({ path: `${server.host}/.s.PGSQL.${server.port}` })
    : net.connect({ host: server.host, port: server.port });
  try {
    await first(socket, "connect", abort);
    if (options.mode === "disable" || server.host.startsWith("/")) return socket;
    socket.write(SSL_REQUEST);
    const answer = (await first(socket, "data", abort) as Uint8Array)[0];
    if (answer === NO && options.mode === "prefer") return socket;
    if (answer === NO) throw tlsNotOffered(server);
    if (answer !== YES) throw new Error("the server answers, but not as PostgreSQL does");
    return await encrypt(socket, server, options, abort);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** The server's key for cancelling a session's statement. */
export interface SessionKey {
  readonly pid: number;
  readonly secret: number;
}

/**
 * Asks a server to cancel a session's statement. Resolves when the server has read the request or cannot be reached. In the second case the
 * driver's own cancellation ends the process, by a rejection that no caller gets.
 */
export async function cancelSession(
  server: PostgresHost,
  options: TlsOptions,
  { pid, secret }: SessionKey,
  timeoutMs: number,
): Promise<void> {
  const request = new DataView(new ArrayBuffer(CANCEL_BYTES));
  for (const [i, word] of [CANCEL_BYTES, CANCEL_CODE, pid, secret].entries()) request.setInt32(4 * i, word);
  let socket: net.Socket;
  try {
    socket = await dial(server, options, timeoutMs);
  } catch {
    return; // the statement ends by the server's own time limit, or with its connection
  }
  await new Promise<void>((resolve) => {
    socket.setTimeout(timeoutMs, () => socket.destroy());
    socket.on("error", () => {}).once("close", () => resolve());
    socket.resume().end(new Uint8Array(request.buffer));
  });
}

async function encrypt(socket: net.Socket, server: PostgresHost, options: TlsOptions, abort: AbortSignal) {
  const { mode, ca, cert, key } = options;
  const proven = mode === "verify" || mode === "verify-ca";
  try {
    const secure = tls.connect({
      socket,
      // An address is compared with the certificate's addresses; it must not be sent as a name.
      host: server.host,
      ...(net.isIP(server.host) === 0 && { servername: server.host }),
      rejectUnauthorized: proven,
      ...(mode === "verify-ca" && { checkServerIdentity: () => undefined }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    });
    await first(secure, "secureConnect", abort);
    return secure as net.Socket;
  } catch (error) {
    throw tlsFault(error, server) ?? error;
  }
}

/** Waits for one event. @throws the socket's error, or Unavailable if the socket closes or the time is over */
function first(socket: net.Socket, event: "connect" | "data" | "secureConnect", abort: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const done = (finish: () => void) => {
      socket.removeListener(event, onEvent);
      socket.removeListener("error", onError);
      socket.removeListener("close", onClose);
      abort.removeEventListener("abort", onAbort);
      finish();
    };
    const onEvent = (value: unknown) => done(() => resolve(value));
    const onError = (error: unknown) => done(() => reject(error));
    const onClose = () => done(() => reject(postgresUnavailable("the server closed the connection at once")));
    const onAbort = () => done(() => reject(postgresUnavailable("no answer to the connection")));
    socket.once(event, onEvent);
    socket.once("error", onError);
    socket.once("close", onClose);
    abort.addEventListener("abort", onAbort);
    if (abort.aborted) onAbort();
  });
}
