// Network namespaces as machines around one router, in which the way from one machine to another can be blocked. Shell: runs `ip` as root.

/** One machine. */
export interface Host {
  readonly name: string;
  /** IPv4, reachable from this process too. */
  readonly address: string;
  /** Words that go before a command so that it runs on this machine. */
  readonly within: readonly string[];
}

/** Says by name what is missing. @throws Error */
export async function requireNetworkTools(): Promise<void> {
  const missing: string[] = [];
  if (Deno.uid() !== 0) missing.push("root (it makes network namespaces)");
  for (const [command, packageName] of [["ip", "iproute2"], ["setpriv", "util-linux"]] as const) {
    const works = await new Deno.Command(command, { args: ["--help"], stdout: "null", stderr: "null" }).output()
      .then(() => true, () => false);
    if (!works) missing.push(`\`${command}\` (apt-get install ${packageName})`);
  }
  if (missing.length > 0) throw new Error(`The network of hosts needs ${missing.join(", ")}`);
}

/**
 * Machines with a link each to a router that this process is linked to as well. What is blocked in the router disappears without an answer.
 * `await using` removes all of it; what runs on the machines must have ended by then.
 */
export class HostNetwork implements AsyncDisposable {
  readonly hosts = new Map<string, Host>();
  readonly #removeNow = () => {
    for (const namespace of this.#namespaces()) {
      new Deno.Command("ip", { args: ["netns", "del", namespace] }).outputSync();
    }
  };

  private constructor(readonly prefix: string, readonly subnet: string) {}

  /** Addresses are out of 198.18.0.0/15, which is set aside for tests (RFC 2544). */
  static async create(names: readonly string[]): Promise<HostNetwork> {
    await requireNetworkTools();
    const id = crypto.getRandomValues(new Uint8Array(2));
    const network = new HostNetwork(
      `tm${id[0]!.toString(16)}${id[1]!.toString(16)}`,
      `198.${18 + id[0]! % 2}.${id[1]}`,
    );
    globalThis.addEventListener("unload", network.#removeNow);
    const { router, subnet } = network;
    await ip("netns", "add", router);
    await run("ip", ["netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    await ip("link", "add", `${network.prefix}-x`, "type", "veth", "peer", "name", "out", "netns", router);
    await ip("addr", "add", `${subnet}.1/30`, "dev", `${network.prefix}-x`);
    await ip("link", "set", `${network.prefix}-x`, "up");
    await ip("-n", router, "addr", "add", `${subnet}.2/30`, "dev", "out");
    await ip("-n", router, "link", "set", "out", "up");
    await ip("route", "add", `${subnet}.0/24`, "via", `${subnet}.2`);
    for (const [i, name] of names.entries()) await network.#add(name, 4 * (i + 1));
    return network;
  }

  get router(): string {
    return `${this.prefix}-router`;
  }

  host(name: string): Host {
    return this.hosts.get(name)!;
  }

  /** Packets of `from` to `to` disappear. */
  async block(from: Host, to: Host): Promise<void> {
    await ip("-n", this.router, "rule", "add", "from", from.address, "to", to.address, "blackhole");
  }

  async unblock(from: Host, to: Host): Promise<void> {
    await ip("-n", this.router, "rule", "del", "from", from.address, "to", to.address, "blackhole");
  }

  /** Takes the machine's link down or up, at the router's end. */
  async link(host: Host, state: "up" | "down"): Promise<void> {
    await ip("-n", this.router, "link", "set", host.name, state);
  }

  async #add(name: string, base: number): Promise<void> {
    const namespace = `${this.prefix}-${name}`, gateway = `${this.subnet}.${base + 1}`;
    const address = `${this.subnet}.${base + 2}`;
    await ip("netns", "add", namespace);
    await ip("-n", this.router, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", namespace);
    await ip("-n", this.router, "addr", "add", `${gateway}/30`, "dev", name);
    await ip("-n", this.router, "link", "set", name, "up");
    await ip("-n", namespace, "addr", "add", `${address}/30`, "dev", "eth0");
    for (const link of ["eth0", "lo"]) await ip("-n", namespace, "link", "set", link, "up");
    await ip("-n", namespace, "route", "add", "default", "via", gateway);
    this.hosts.set(name, { name, address, within: ["ip", "netns", "exec", namespace] });
  }

  #namespaces(): string[] {
    return [...this.hosts.keys()].map((name) => `${this.prefix}-${name}`).concat(this.router);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    globalThis.removeEventListener("unload", this.#removeNow);
    for (const namespace of this.#namespaces()) await ip("netns", "del", namespace);
  }
}

const ip = (...args: string[]): Promise<void> => run("ip", args);

async function run(command: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args: [...args], stdout: "null" }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
