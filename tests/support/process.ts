// Child processes of tests: captured output, waiting for a line, signals; nothing outlives the test. Shell: spawns processes.

/** Root of the repository, with a trailing slash. */
export const REPOSITORY = new URL("../../", import.meta.url);

/** How a child ended and all that it wrote. */
export interface Exit {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SpawnOptions {
  readonly cwd?: string | URL;
  /** Added to (or with `clearEnv` instead of) this process' variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly clearEnv?: boolean;
  readonly uid?: number;
  readonly gid?: number;
}

/** A running child; `await using` kills it at the end of the test. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Lines of stdout and stderr so far, in order of arrival. */
  readonly lines: readonly string[];
  /**
   * Resolves with the first line, past or future, that matches.
   * @throws Error with the whole output if the child ends or `timeoutMs` (default 30 s) passes first
   */
  waitForLine(pattern: RegExp | string, timeoutMs?: number): Promise<string>;
  /** Writes to the child's stdin. */
  write(text: string): Promise<void>;
  closeStdin(): Promise<void>;
  /** Sends a signal; a child that is already gone is not an error. */
  signal(signal: Deno.Signal): void;
  /** Resolves when the child has ended and its output is complete. */
  exit(): Promise<Exit>;
}

/** Starts `command`. It is killed when the `Child` is disposed, or when this process ends first. */
export function spawn(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const process = new Deno.Command(command, {
    ...options,
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const guard = killWhenWeDie([process.pid]);
  const stdin = process.stdin.getWriter();
  const lines: string[] = [];
  const waiters = new Set<() => void>();
  const announce = () => waiters.forEach((wake) => wake());
  const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    let all = "", rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      all += text;
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
      if (parts.length > 0) announce();
    }
    if (rest !== "") lines.push(rest);
    return all;
  };
  let ended = false;
  const exited = (async (): Promise<Exit> => {
    const [stdout, stderr, status] = await Promise.all([
      collect(process.stdout),
      collect(process.stderr),
      process.status,
    ]);
    ended = true;
    await stdin.close().catch(() => {/* the pipe broke with the child */});
    await guard.release();
    announce();
    return { code: status.code, signal: status.signal, stdout, stderr };
  })();
  const send = (signal: Deno.Signal) => {
    if (!ended) signalProcess(process.pid, signal);
  };
  return {
    pid: process.pid,
    lines,
    waitForLine(pattern, timeoutMs = 30_000) {
      const matches = (line: string) => typeof pattern === "string" ? line.includes(pattern) : pattern.test(line);
      return new Promise((resolve, reject) => {
        let seen = 0;
        const stop = () => {
          clearTimeout(timer);
          waiters.delete(look);
        };
        const fail = (why: string) => {
          stop();
          reject(new Error(`No line matched ${pattern}: ${why}. Output:\n${lines.join("\n")}`));
        };
        const look = () => {
          for (; seen < lines.length; seen++) {
            if (!matches(lines[seen]!)) continue;
            stop();
            return resolve(lines[seen]!);
          }
          if (ended) fail(`${command} ended`);
        };
        const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
        waiters.add(look);
        look();
      });
    },
    write: (text) => stdin.write(new TextEncoder().encode(text)),
    closeStdin: () => stdin.close(),
    signal: send,
    exit: () => exited,
    async [Symbol.asyncDispose]() {
      send("SIGCONT");
      send("SIGKILL");
      await exited;
    },
  };
}

/** Starts the program from source, e.g. `tidemark(["run", "--once"], { env })`; a temporary `cwd` gives it a data folder of its own. */
export function tidemark(args: readonly string[], options: SpawnOptions = {}, root: URL = REPOSITORY): Child {
  const env = { NO_COLOR: "1", PGADMIN_DEFAULT_PASSWORD: PLANTED, ...options.env };
  const program = ["run", "-A", "--quiet", new URL("src/main.ts", root).href, ...args];
  return withoutLeaks(spawn(Deno.execPath(), program, { ...options, env }), env);
}

/** A secret that every run of the program in a test gets. */
const PLANTED = "canary-of-every-run-5d1c9e";
/** Shorter secrets would be found by chance. */
const SECRET_LENGTH_MIN = 8;

/** A child whose output must not contain any of the secrets in its variables; else `exit` and its disposal reject. */
export function withoutLeaks(child: Child, env: Readonly<Record<string, string>>): Child {
  const secrets = Object.entries(env).flatMap(([name, value]) => {
    const password = name === "POSTGRES_URL" && URL.canParse(value) ? new URL(value).password : "";
    return [[name, /(TOKEN|PASSWORD|KEY)$/.test(name) ? value : password] as const];
  }).filter(([, secret]) => secret.length >= SECRET_LENGTH_MIN);
  const check = () => {
    for (const [name, secret] of secrets) {
      const line = child.lines.find((text) => text.includes(secret));
      if (line !== undefined) throw new Error(`The secret in ${name} is in the program's output: ${line}`);
    }
  };
  return {
    ...child,
    async exit() {
      const exit = await child.exit();
      check();
      return exit;
    },
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      check();
    },
  };
}

/** Sends `signal`; returns whether the process was still there. */
export function signalProcess(pid: number, signal: Deno.Signal): boolean {
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || (error instanceof TypeError && error.message.includes("ESRCH"))) {
      return false;
    }
    throw error;
  }
}

/** A helper process that acts once this process's end of its stdin closes, however this process ends. */
export interface Guard {
  /** Ends the helper without letting it act. */
  release(): Promise<void>;
}

/** Kills `pids` and removes `folder` when this process ends without having called `release`, even by SIGKILL. */
export function killWhenWeDie(pids: readonly number[], folder?: string): Guard {
  const script = 'folder=$1; shift; read -r _ && exit 0; kill -9 "$@" 2>/dev/null; ' +
    'if [ -n "$folder" ]; then sleep 1; rm -rf "$folder"; fi';
  const helper = new Deno.Command("sh", {
    args: ["-c", script, "guard", folder ?? "", ...pids.map(String)],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
    // Otherwise an orderly exit of this process would end the helper before it acts.
    detached: true,
  }).spawn();
  let released: Promise<void> | undefined;
  return {
    release: () =>
      released ??= (async () => {
        const writer = helper.stdin.getWriter();
        await writer.write(new TextEncoder().encode("released\n"));
        await writer.close();
        await helper.status;
      })(),
  };
}
