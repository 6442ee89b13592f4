// The folder of an embedded database, copied from one that is made once per machine and version, since making one takes seconds. Shell.
import { startEmbeddedPostgres } from "../../src/store/embedded/postgres.ts";
import { publish, temporaryFolder } from "./postgres_binaries.ts";

/** Settings of postgres.js that fit the embedded database: its connections share one session. */
export const EMBEDDED_CLIENT_OPTIONS = { max: 4, prepare: true, ssl: false } as const;

/** Puts an empty embedded database into `folder`. */
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
