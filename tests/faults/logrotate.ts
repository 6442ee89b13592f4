// The file source on a real disk under Debian's logrotate: a seed decides the configuration, what is written, read and restarted, and when
// logrotate runs, beside which the source goes on reading. Every line must be counted once. Shell.
import { Unavailable } from "../../src/shared/errors.ts";
import { Random } from "../simulation/random.ts";
import { FileRig } from "../source/file/rig.ts";

/** What a history came to. */
interface Rotated {
  readonly lines: number;
  readonly rotations: number;
  readonly problems: readonly string[];
}

/** A server that goes on in the file that it has open. */
class Server {
  #file: Deno.FsFile;
  lines = 0;
  constructor(readonly path: string) {
    this.#file = this.#open();
  }
  #open(): Deno.FsFile {
    return Deno.openSync(this.path, { create: true, append: true });
  }
  write(count: number): void {
    let text = "";
    for (let i = 0; i < count; i++) {
      const n = this.lines++;
      text += `line ${n} t=${1_000_000 + n} ${"x".repeat(n % 70)}\n`;
    }
    this.#file.writeSync(new TextEncoder().encode(text));
  }
  reopen(): void {
    this.#file.close();
    this.#file = this.#open();
  }
  close(): void {
    this.#file.close();
  }
}

/** A configuration as distributions ship them; nothing is ever removed, so that each line must be counted. */
function configuration(random: Random, path: string): { readonly text: string; readonly kind: string } {
  const kind = random.pick(["create", "copytruncate"]);
  const options = [
    "rotate 200",
    "missingok",
    "notifempty",
    "su root root",
    kind === "create" ? "create 0640 root root" : kind,
  ];
  if (random.chance(0.4)) options.push("dateext", "dateformat -%Y%m%d-%s");
  const packs = random.pick(["no", "at once", "later"]);
  if (packs !== "no") options.push("compress");
  if (packs === "later") options.push("delaycompress");
  return { text: `${path} {\n  ${options.join("\n  ")}\n}\n`, kind: `${kind}, compression: ${packs}` };
}

/** Plays one history in a folder of its own. */
async function playLogrotate(seed: number): Promise<Rotated> {
  const random = new Random(seed, 17);
  await using rig = new FileRig({ path: random.pick(["access.log", "access.log*"]) });
  const server = new Server(rig.path());
  const { text, kind } = configuration(random, rig.path());
  // Beside the logs, where no pattern finds them.
  const config = await Deno.makeTempDir({ prefix: "tidemark_logrotate_" });
  let rotations = 0;
  const step = async () => {
    try {
      await rig.step();
    } catch (error) {
      // A rotation that goes on hides a file for longer than it is looked for; the engine tries again, and so does a process.
      if (!(error instanceof Unavailable)) throw error;
      await rig.restart();
    }
  };
  const rotate = async () => {
    const before = names(rig.folder);
    const child = new Deno.Command("logrotate", {
      args: ["-f", "-s", `${config}/state`, `${config}/logrotate.conf`],
      stdout: "null",
      stderr: "piped",
    }).output();
    let running = true;
    const ended = child.finally(() => running = false);
    while (running) {
      await step();
      rig.seen.length = 0;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const { success, stderr } = await ended;
    const said = new TextDecoder().decode(stderr);
    // A date that counts seconds names one rotation a second.
    if (!success && !said.includes("already exists, skipping rotation")) throw new Error(said);
    if (names(rig.folder) !== before) rotations++;
    // What is written to a file that is compressed at once is logrotate's loss, not the reader's.
    if (kind.includes("at once") || random.chance(0.6)) server.reopen();
  };
  try {
    await Deno.writeTextFile(`${config}/logrotate.conf`, text);
    server.write(random.int(1, 20));
    await rig.all();
    for (let i = random.int(20, 60); i > 0; i--) {
      const act = random.pick([
        "write",
        "write",
        "read",
        "read",
        "rotate",
        "rotate",
        "restart",
        "commit",
        "wait",
        "reopen",
      ]);
      if (act === "write") server.write(random.int(1, 40));
      else if (act === "read") { for (let n = random.int(1, 5); n > 0; n--) await step(); }
      else if (act === "rotate") await rotate();
      else if (act === "restart") await rig.restart();
      else if (act === "commit" && rig.position !== null) rig.commit();
      else if (act === "wait") rig.clock.advance(random.pick([300, 2_500, 11_000]));
      else if (act === "reopen") server.reopen();
    }
    server.reopen();
    server.write(1);
    // A rotated file that was written to late is come back to after a pause.
    for (let round = 0; round < 3; round++) {
      await rig.all();
      rig.clock.advance(60_000);
    }
    const counted = (await rig.all()).map((line) => Number(/^line (\d+) /.exec(line)?.[1]));
    const times = new Map<number, number>();
    for (const n of counted) times.set(n, (times.get(n) ?? 0) + 1);
    const problems: string[] = [];
    for (let n = 0; n < server.lines; n++) {
      if (times.get(n) !== 1) problems.push(`line ${n}: ${times.get(n) ?? 0} times`);
    }
    return { lines: server.lines, rotations, problems: problems.map((problem) => `${kind}: ${problem}`) };
  } catch (error) {
    return { lines: server.lines, rotations, problems: [`${kind}: ${error}`] };
  } finally {
    server.close();
    await Deno.remove(config, { recursive: true });
  }
}

function names(folder: string): string {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort().join();
}

/** Plays `count` histories from seed `from` on; true where every line of all was counted once. */
export async function logrotateRun(count: number, from: number, say: (line: string) => void): Promise<boolean> {
  let lines = 0, rotations = 0, wrong = 0;
  for (let seed = from; seed < from + count; seed++) {
    const played = await playLogrotate(seed);
    lines += played.lines;
    rotations += played.rotations;
    if (played.problems.length === 0) continue;
    wrong++;
    say(`seed ${seed}: ${played.problems.slice(0, 3).join("; ")}`);
  }
  say(
    `${count} histories: ${rotations} rotations by logrotate, ${lines} lines, ${wrong} histories with a line not counted once`,
  );
  return wrong === 0;
}
