// Which hosts are this machine, and so need no token and no TLS. No I/O, no name resolution.

/** Whether `host` (name, address with or without brackets, or the folder of a Unix socket) can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[|\]$/g, "");
  return bare === "localhost" || bare.endsWith(".localhost") || bare === "::1" || bare.startsWith("/") ||
    /^(::ffff:)?127(\.\d{1,3}){3}$/.test(bare);
}
