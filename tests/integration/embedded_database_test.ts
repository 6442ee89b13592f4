// A commit must reach the disk: PGlite alone never flushes, and PostgreSQL's own counters cannot tell.
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { openDatabase } from "../../src/store/embedded/database.ts";
import { makeEmbeddedFolder } from "../support/embedded.ts";

Deno.test("openDatabase() flushes the log to the disk at each commit", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-embedded-" });
  try {
    await makeEmbeddedFolder(`${folder}/pg`);
    const database = await openDatabase(`${folder}/pg`);
    const operations = (database as unknown as {
      readonly Module: { readonly NODEFS: { readonly stream_ops: { fsync?: (stream: unknown) => number } } };
    }).Module.NODEFS.stream_ops;
    const flush = operations.fsync;
    assert(flush, "the folder has no fsync");
    let flushes = 0;
    operations.fsync = (stream) => {
      flushes++;
      return flush(stream);
    };
    await database.exec("create table t (n int)");
    flushes = 0;
    for (let n = 0; n < 5; n++) await database.query("insert into t values ($1)", [n]);
    assertGreaterOrEqual(flushes, 5);
    flushes = 0;
    await database.query("select n from t");
    assertEquals(flushes, 0);
    await database.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
