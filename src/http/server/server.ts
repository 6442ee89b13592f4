// Serves the application with node:http, whose timeouts end half-open requests (Deno.serve keeps them open). Shell: owns the socket.
import type { Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { hostInUrl, ownHost } from "../../shared/config/hosts.ts";
import { EXIT, messageOf, NamedError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import { codeOf } from "../../shared/sql.ts";

/** Times in ms. Clients must send their headers within this time; answers have no limit. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_TIMEOUT_MS = 20_000;
/** Interval of node's check for connections that have timed out. */
const CHECK_INTERVAL_MS = 2_000;
/** Connections above the limit that may exist until the oldest idle ones have ended. */
const CONNECTIONS_SLACK = 8;
/** Interval of the check that connections are accepted, if none came in between. */
const ACCEPT_CHECK_MS = 3_000;
const HEADER_BYTES_MAX = 16_384;

/** The part of the application that serving needs. */
interface Handler {
  readonly fetch: (request: Request, env: never) => Response | Promise<Response>;
}

interface ServeOptions {
  /** Address or name to listen on. */
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Most connections at once. One more ends the one that has been idle longest. */
  readonly connectionsMax: number;
  readonly log: Log;
}

interface RunningServer {
  /** For example `http://localhost:8080`. */
  readonly url: string;
  readonly port: number;
  /** Stops listening, waits at most `deadlineMs` for running requests, and then closes the other connections. Never rejects. */
  close(deadlineMs: number): Promise<void>;
}

/**
 * Starts to listen.
 *
 * @throws NamedError `port_in_use` (exit 5), or `cannot_listen` if the address is not ours or the port is reserved (exit 2)
 */
export function serveHttp(app: Handler, { host, port, connectionsMax, log }: ServeOptions): Promise<RunningServer> {
  const server = createAdaptorServer({
    fetch: app.fetch as Parameters<typeof createAdaptorServer>[0]["fetch"],
    overrideGlobalObjects: false,
    serverOptions: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
  }) as Server;
  server.maxConnections = connectionsMax + CONNECTIONS_SLACK;
  keepWithin(server, connectionsMax);
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, host, port)));
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      const bound = (server.address() as AddressInfo).port;
      // Without a listener, an error of the listening socket, such as no free descriptor, would end the process.
      server.on("error", (error) => log.warn(`HTTP server: ${messageOf(error)}`));
      const stopWatch = watchAccepting(server, { host, port: bound, log });
      resolve({
        url: urlOf(host, bound),
        port: bound,
        close: (deadlineMs) => {
          stopWatch();
          return close(server, deadlineMs);
        },
      });
    });
  });
}

/** Ends the connection that has been idle longest when there are more than `max`. */
function keepWithin(server: Server, max: number): void {
  /** Connections without a running request, the longest idle first. */
  const idle = new Set<Socket>();
  let open = 0;
  server.on("connection", (socket: Socket) => {
    open++;
    idle.add(socket);
    socket.once("close", () => {
      open--;
      idle.delete(socket);
    });
    const [oldest] = idle;
    if (open > max && oldest !== undefined) {
      idle.delete(oldest);
      oldest.destroy();
    }
  });
  server.on("request", ({ socket }, response) => {
    idle.delete(socket);
    response.once("close", () => {
      if (!socket.destroyed) idle.add(socket);
    });
  });
}

/**
 * Opens the listening socket again if it no longer accepts connections: this happens in Deno, without an error event, when a connection comes
 * while no descriptor is free. If no connection comes, the check makes one itself. Returns a function that ends the check.
 */
function watchAccepting(server: Server, { host, port, log }: { host: string; port: number; log: Log }): () => void {
  let accepted = true, probe: Socket | null = null;
  server.on("connection", () => accepted = true);
  const timer = setInterval(() => {
    probe?.destroy();
    if (probe !== null && !accepted) {
      log.warn("HTTP server: connections are no longer accepted; listening again");
      server.close();
      server.listen({ host, port });
    }
    probe = null;
    if (accepted) {
      accepted = false;
      return;
    }
    try {
      probe = connect({ host: ownHost(host), port });
      // Without a free descriptor the check fails; the next one tries again.
      probe.on("error", () => probe = null);
    } catch {
      clearInterval(timer); // a scoped binary may not connect to a port that was chosen at its start
    }
  }, ACCEPT_CHECK_MS);
  timer.unref?.();
  return () => {
    clearInterval(timer);
    probe?.destroy();
  };
}

function close(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), deadlineMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function urlOf(host: string, port: number): string {
  const own = ownHost(host), isLocal = own === "127.0.0.1" || own === "::1";
  return `http://${isLocal ? "localhost" : hostInUrl(own)}:${port}`;
}

function listenError(error: unknown, host: string, port: number): NamedError {
  if (codeOf(error) === "EADDRINUSE") {
    return new NamedError(
      "port_in_use",
      `port ${port} on ${host} is in use by another process`,
      EXIT.busy,
      "Stop that process, or choose another port with HTTP_PORT (0 = any free one).",
      { cause: error },
    );
  }
  return new NamedError(
    "cannot_listen",
    `cannot listen on ${host} port ${port}: ${messageOf(error)}`,
    EXIT.usage,
    "Set HTTP_HOST to an address of this machine and HTTP_PORT to a port that this user may open.",
    { cause: error },
  );
}
