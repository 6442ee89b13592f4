// Makes the next release for an upgrade under load: a copy of this tree with one more migration, whose commits use a further version of the
// commit function. Shell: files.
import { REPOSITORY } from "../support/process.ts";

/** The migration that the next release has: what real ones add. */
const NAME = "0099_next";
const ADDS = `
alter table stream add column next_note text not null default '';
alter table stream_partition add column bytes_read bigint not null default 0;
alter table commit_history add column program text not null default 'old';
alter table open_delta add column next_flags integer not null default 0;
alter table web_traffic_window add column next_rows bigint not null default 0;
alter table aggregated_web_traffic add column asn integer not null default 0;
alter table late_web_traffic add column asn integer not null default 0;
alter table dead_letter_range add column next_note text;
create table next_table (id bigint generated always as identity primary key, note text not null);
create index commit_history_instance on commit_history (instance, committed_at);
create index aggregated_web_traffic_host on aggregated_web_traffic (host, window_start);
`;
const COMMIT = /^create function tidemark_commit_v3\([\s\S]*?^end \$\$;$/m;

/** A checkout of the next release in a folder of its own; `await using` removes it. */
export class NewerTree implements AsyncDisposable {
  private constructor(readonly root: URL) {}

  static async make(): Promise<NewerTree> {
    const folder = await Deno.makeTempDir({ prefix: "tidemark-newer-" });
    const tree = new NewerTree(new URL(`file://${folder}/`));
    for (const part of ["deno.json", "deno.lock", "src", "ddl", "docs", "tests/support/std-assert"]) {
      await tree.#copy(part);
    }
    const commitSql = await Deno.readTextFile(new URL("ddl/0011_breakdown.sql", REPOSITORY));
    const first = COMMIT.exec(commitSql)?.[0];
    if (first === undefined) throw new Error("ddl/0011_breakdown.sql has no tidemark_commit_v3");
    const second = replaced(
      first.replaceAll("tidemark_commit_v3", "tidemark_commit_v4"),
      /(perform tidemark_commit_v2\([^;]*;)/,
      "$1\n  update commit_history set program = 'newer' where commit_id = p_commit_id;",
    );
    await Deno.writeTextFile(new URL(`ddl/${NAME}.sql`, tree.root), `${ADDS}\n${second}\n`);
    await tree.#edit("src/store/migrate.ts", /(export const MIGRATIONS = \[[^\]]*?),?\s*\]/, `$1, "${NAME}"]`);
    await tree.#edit("src/store/postgres/store.ts", "select tm.tidemark_commit_v3(", "select tm.tidemark_commit_v4(");
    return tree;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }

  async #copy(part: string): Promise<void> {
    const from = new URL(part, REPOSITORY), to = new URL(part, this.root);
    if ((await Deno.stat(from)).isFile) return await Deno.copyFile(from, to);
    await Deno.mkdir(to, { recursive: true });
    for await (const { name } of Deno.readDir(from)) await this.#copy(`${part}/${name}`);
  }

  async #edit(path: string, from: string | RegExp, to: string): Promise<void> {
    const file = new URL(path, this.root);
    await Deno.writeTextFile(file, replaced(await Deno.readTextFile(file), from, to));
  }
}

function replaced(text: string, from: string | RegExp, to: string): string {
  const result = text.replace(from, to);
  if (result === text) {
    throw new Error(`Nothing matched ${from}: the program has changed, and so must the next release made of it`);
  }
  return result;
}
