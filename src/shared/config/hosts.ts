// Which hosts are this machine, and so need neither token nor TLS; and where this machine reaches its own server. No I/O, no name resolution.

/** Whether `host` (name, address with or without brackets, or the folder of a Unix socket) can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const bare = withoutBrackets(host.toLowerCase());
  return bare === "localhost" || bare.endsWith(".localhost") || bare === "::1" || bare.startsWith("/") ||
    /^(::ffff:)?127(\.\d{1,3}){3}$/.test(bare);
}

/** The reverse of {@link hostInUrl}. */
export const withoutBrackets = (host: string): string => host.replace(/^\[|\]$/g, "");

/** The host at which this machine reaches a server that listens on `host`: one cannot connect to the address that means all interfaces. */
export function ownHost(host: string): string {
  const bare = withoutBrackets(host);
  return bare === "0.0.0.0" ? "127.0.0.1" : bare === "::" ? "::1" : bare;
}

/** `host` as a URL names it: an IPv6 address in brackets. */
export const hostInUrl = (host: string): string => host.includes(":") ? `[${host}]` : host;
