// An embedded database's folder without the seconds that making one takes: a copy of one made once per machine and version. Shell.
import { startEmbeddedPostgres } from "../../src/store/embedded/postgres.ts";
import { publish, temporaryFolder } from "./postgres_binaries.ts";

/** Makes `folder` hold an empty embedded database. */
export async function makeEmbeddedFolder(folder: string): Promise<void> {
  const config = await Deno.readTextFile(new URL("../../deno.json", import.meta.url));
  const version = /@electric-sql\/pglite@([\d.]+)/.exec(config)?.[1];
  const template = `${temporaryFolder()}/tidemark-test-embedded-${version}-${Deno.uid() ?? 0}`;
  await publish(template, async (making) => {
    const database = await startEmbeddedPostgres({ folder: `${making}/pg` });
    await database.stop();
  });
  const { success } = await new Deno.Command("cp", { args: ["-R", `${template}/pg`, folder] }).output();
  if (!success) throw new Error(`Cannot copy ${template} to ${folder}`);
}
