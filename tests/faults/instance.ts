// One Tidemark process of a fault run: started, killed, frozen, restarted; its output is kept. Shell.
import { V8_FLAGS } from "../../tools/scope.ts";
import { type Child, type Exit, REPOSITORY, spawn, tidemark } from "../support/process.ts";

/** V8's flags of the tasks and the binary: memory is measured as users have it. */
export const TASK_FLAGS = { DENO_V8_FLAGS: V8_FLAGS.replace("--v8-flags=", "") };

/** A Tidemark instance that may die and come back; its data folder stays. */
export class Instance {
  #child: Child | undefined;
  /** The last child that has ended. */
  #gone: Child | undefined;
  /** Lines of all lives. */
  readonly log: string[] = [];
  kills = 0;
  starts = 0;

  /** @param root checkout whose program it is */
  constructor(readonly name: string, readonly env: Readonly<Record<string, string>>, readonly root: URL = REPOSITORY) {}

  /** Whether it was started and has ended without being told to. */
  get died(): boolean {
    return this.#child !== undefined && this.#gone === this.#child;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number {
    return this.#current().pid;
  }

  /** Starts the service (or with arguments another command). */
  start(args: readonly string[] = ["run"], env: Readonly<Record<string, string>> = {}): Child {
    if (this.#child) throw new Error(`${this.name} is already running`);
    this.starts++;
    const child = tidemark(args, { env: { ...this.env, ...env } }, this.root);
    return this.#watch(child);
  }

  /** Starts the service through a shell script that ends in `exec "$@"`, e.g. to lower a limit first. */
  startThrough(script: string): Child {
    if (this.#child) throw new Error(`${this.name} is already running`);
    this.starts++;
    const program = [Deno.execPath(), "run", "-A", "--quiet", new URL("src/main.ts", this.root).href, "run"];
    const child = spawn("sh", ["-c", script, "sh", ...program], { env: { NO_COLOR: "1", ...this.env } });
    return this.#watch(child);
  }

  signal(signal: Deno.Signal): void {
    this.#current().signal(signal);
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.kills++;
    await this.#end("SIGKILL");
  }

  /** SIGTERM, and the exit that came of it. */
  stop(): Promise<Exit> {
    return this.#end("SIGTERM");
  }

  /** Waits for the end of a command that ends by itself. */
  async ended(): Promise<Exit> {
    const child = this.#current();
    const exit = await child.exit();
    this.log.push(...child.lines);
    this.#child = undefined;
    return exit;
  }

  /** Lines of this life and all before it. */
  lines(): string[] {
    return [...this.log, ...this.#child?.lines ?? []];
  }

  /** How many lines match, of this life and all before it. */
  count(pattern: RegExp | string): number {
    return this.lines().filter((line) => matches(line, pattern)).length;
  }

  /** Whether a line of this life matches. */
  said(pattern: RegExp | string): boolean {
    return this.#current().lines.some((line) => matches(line, pattern));
  }

  /** The service's address, from its log; the last life's. @throws Error while it does not listen */
  get url(): string {
    const url = /"url":"([^"]+)"/.exec(this.lines().findLast((line) => line.includes('"listening"')) ?? "")?.[1];
    if (url === undefined) throw new Error(`${this.name} does not listen yet`);
    return url;
  }

  /** The clock that the service sees, epoch ms. @throws Error where it does not answer */
  async now(): Promise<number> {
    const answer = await fetch(`${this.url}/v1/pipeline`);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`/v1/pipeline of ${this.name} answered ${answer.status}: ${text}`);
    return Date.parse(JSON.parse(text).now);
  }

  /** The most memory that this life has taken (VmHWM), bytes. */
  async peakMemory(): Promise<number> {
    const status = await Deno.readTextFile(`/proc/${this.pid}/status`);
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
  }

  /** What /metrics says of a metric without labels. @throws Error where it is missing */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const value = new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1];
    if (value === undefined) throw new Error(`/metrics of ${this.name} has no ${name}`);
    return Number(value);
  }

  waitForLine(pattern: RegExp | string, timeoutMs?: number): Promise<string> {
    return this.#current().waitForLine(pattern, timeoutMs);
  }

  #watch(child: Child): Child {
    this.#child = child;
    void child.exit().then(() => this.#gone = child);
    return child;
  }

  async #end(signal: Deno.Signal): Promise<Exit> {
    const child = this.#current();
    child.signal(signal);
    const exit = await child.exit();
    this.log.push(...child.lines);
    this.#child = undefined;
    return exit;
  }

  #current(): Child {
    if (!this.#child) throw new Error(`${this.name} is not running`);
    return this.#child;
  }
}

const matches = (line: string, pattern: RegExp | string) =>
  typeof pattern === "string" ? line.includes(pattern) : pattern.test(line);
