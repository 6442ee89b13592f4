// `deno task bench old-stack [--seconds 60]`: what the parts of the replaced stack that do no counting take while nothing happens: ZooKeeper (as
// Kafka 3.9 brings and starts it) and pgAdmin (its published package, as server). Engines and databases under load: `deno task bench peers`.
// Needs Java and Maven, Python 3 with venv, Linux. Shell.
import { freePort } from "../tests/support/postgres.ts";
import { kafkaClassPath } from "../tests/support/kafka_jars.ts";
import { type Child, spawn } from "../tests/support/process.ts";
import { cpuSeconds, numberFlag, write } from "./support.ts";

const SECONDS = numberFlag("seconds", 60);
/** Class loading and imports are over by then. */
const WARM_UP_MS = 20_000;
const PGADMIN = "pgadmin4==9.18";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Resident memory of a process now, MiB. */
function residentMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;
}

/** Waits until the port is open, lets the process settle, then measures it for a while. */
async function measure(name: string, child: Child, port: number): Promise<void> {
  for (const deadline = performance.now() + 120_000;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      break;
    } catch (error) {
      if (performance.now() > deadline) {
        throw new Error(`${name} does not listen:\n${child.lines.join("\n")}`, { cause: error });
      }
      await pause(500);
    }
  }
  await pause(WARM_UP_MS);
  const before = cpuSeconds(child.pid);
  await pause(SECONDS * 1000);
  const cpus = (cpuSeconds(child.pid) - before) / SECONDS;
  write(`| ${name} | ${cpus.toFixed(4)} | ${residentMib(child.pid).toFixed(0)} |`);
}

async function zookeeper(folder: string): Promise<void> {
  const port = freePort(), config = `${folder}/zookeeper.properties`;
  await Deno.writeTextFile(
    config,
    `dataDir=${folder}/zookeeper\nclientPort=${port}\nmaxClientCnxns=0\nadmin.enableServer=false\n`,
  );
  // The heap of Kafka's own zookeeper-server-start.sh.
  await using child = spawn("java", [
    "-Xmx512M",
    "-Xms512M",
    "-cp",
    await kafkaClassPath("3.9.1"),
    "org.apache.zookeeper.server.quorum.QuorumPeerMain",
    config,
  ]);
  await measure("ZooKeeper", child, port);
}

async function pgAdmin(folder: string): Promise<void> {
  const venv = `${folder}/venv`, port = freePort();
  for (
    const [command, args] of [["python3", ["-m", "venv", venv]], [`${venv}/bin/pip`, [
      "-q",
      "install",
      PGADMIN,
    ]]] as const
  ) {
    const { success, stderr } = await new Deno.Command(command, { args: [...args] }).output();
    if (!success) throw new Error(`${command} failed: ${new TextDecoder().decode(stderr)}`);
  }
  const find = await new Deno.Command(`${venv}/bin/python`, {
    args: ["-c", "import pgadmin4, os; print(os.path.dirname(pgadmin4.__file__ or list(pgadmin4.__path__)[0] + '/x'))"],
  }).output();
  const home = new TextDecoder().decode(find.stdout).trim();
  const data = `${folder}/pgadmin`;
  await Deno.mkdir(data);
  await Deno.writeTextFile(
    `${home}/config_local.py`,
    `SERVER_MODE = True\nDATA_DIR = '${data}'\nLOG_FILE = '${data}/log'\nSQLITE_PATH = '${data}/pgadmin4.db'\nSESSION_DB_PATH = '${data}/sessions'\n` +
      `STORAGE_DIR = '${data}/storage'\nDEFAULT_SERVER = '127.0.0.1'\nDEFAULT_SERVER_PORT = ${port}\nUPGRADE_CHECK_ENABLED = False\n`,
  );
  await using child = spawn(`${venv}/bin/python`, [`${home}/pgAdmin4.py`], {
    env: { PGADMIN_SETUP_EMAIL: "bench@example.com", PGADMIN_SETUP_PASSWORD: "benchmark-only" },
  });
  await measure("pgAdmin", child, port);
}

const folder = await Deno.makeTempDir({ prefix: "tidemark-old-stack-" });
try {
  write("| idle | CPUs | resident memory, MiB |");
  write("| ---- | ---: | -------------------: |");
  await zookeeper(folder);
  await pgAdmin(folder);
} finally {
  await Deno.remove(folder, { recursive: true });
}
