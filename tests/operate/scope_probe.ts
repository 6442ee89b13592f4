// Tries what the scoped program must not be able to do and prints how each attempt ended; started with the scoped permissions.
import { createConnection } from "node:net";

const [ownFile = "", allowedAddress = "", otherAddress = ""] = Deno.args;
const dial = (address: string) => {
  const [hostname, port] = address.split(":");
  return Deno.connect({ hostname: hostname!, port: Number(port) }).then((socket) => socket.close());
};
const attempts: Record<string, () => unknown> = {
  read_other: () => Deno.readTextFileSync("/etc/passwd"),
  read_source: () => Deno.readTextFileSync(new URL(import.meta.url)),
  write_other: () => Deno.writeTextFileSync("/tmp/tidemark-probe", ""),
  dial_other: () => dial(otherAddress),
  dial_node: () =>
    new Promise((resolve, reject) => {
      const [host, port] = otherAddress.split(":");
      createConnection(Number(port), host!).on("connect", resolve).on("error", reject);
    }),
  fetch_other: () => fetch(`http://${otherAddress}/`),
  run: () => new Deno.Command("true").outputSync(),
  ffi: () => Deno.dlopen("libc.so.6", {}),
  sys: () => Deno.hostname(),
  env_other: () => Deno.env.get("HOME"),
  write_own: () => Deno.writeTextFileSync(ownFile, ""),
  read_own: () => Deno.readTextFileSync(ownFile),
  dial_allowed: () => dial(allowedAddress),
  env_own: () => Deno.env.get("KAFKA_URL"),
};
const results: Record<string, string> = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    await attempt();
    results[name] = "done";
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.name : "";
    results[name] = error instanceof Error
      ? (error.name === "NotCapable" || cause === "NotCapable" ? "NotCapable" : error.message)
      : "?";
  }
}
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(results)));
Deno.exit(0);
