// One process at a time; the lock must fall when its holder is killed.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NamedError } from "../../src/shared/errors.ts";
import { lockFolder } from "../../src/shared/folder_lock.ts";
import { REPOSITORY, spawn } from "../support/process.ts";

async function temporary(test: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-lock-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("lockFolder() makes a folder that only its owner can enter", () =>
  temporary(async (folder) => {
    const lock = await lockFolder(`${folder}/a/b`);
    if (Deno.build.os !== "windows") assertEquals((await Deno.stat(`${folder}/a/b`)).mode! & 0o777, 0o700);
    lock.release();
    lock.release();
  }));

Deno.test("lockFolder() names the process that holds the folder, and gets it once that is killed", () =>
  temporary(async (folder) => {
    const module = new URL("src/shared/folder_lock.ts", REPOSITORY).href;
    const script = `const { lockFolder } = await import("${module}"); const lock = await lockFolder(Deno.args[0]);
      await lock.writeNote("member", "m-1"); console.log("locked"); setInterval(() => {}, 1000);`;
    await Deno.writeTextFile(`${folder}/hold.ts`, script);
    await using child = spawn(Deno.execPath(), ["run", "-A", "--no-check", `${folder}/hold.ts`, `${folder}/data`]);
    await child.waitForLine("locked");
    const error = await assertRejects(() => lockFolder(`${folder}/data`), NamedError);
    assertEquals([error.code, error.exitCode], ["data_dir_locked", 5]);
    assert(error.message.includes(`process ${child.pid} since 20`), error.message);
    child.signal("SIGKILL");
    await child.exit();
    const lock = await lockFolder(`${folder}/data`);
    assertEquals(await lock.readNote("member"), "m-1");
    assertEquals(await lock.readNote("other"), undefined);
    lock.release();
  }));

Deno.test("FolderLock refuses notes after release and names that leave the folder", () =>
  temporary(async (folder) => {
    const lock = await lockFolder(folder);
    await assertRejects(() => lock.writeNote("../x", ""), TypeError);
    await lock.writeNote("a", "1");
    await lock.writeNote("a", "2");
    assertEquals(await lock.readNote("a"), "2");
    lock.release();
    await assertRejects(() => lock.readNote("a"), TypeError);
    assertThrows(() => Deno.statSync(`${folder}/a.note.new`), Deno.errors.NotFound);
  }));

Deno.test("lockFolder() says which setting to change when the folder cannot be made", () =>
  temporary(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    const error = await assertRejects(() => lockFolder(`${folder}/file`), NamedError);
    assertEquals(error.code, "data_dir_unusable");
  }));

Deno.test("FolderLock.release() gives the folder back while programs are being started", () =>
  temporary(async (folder) => {
    const starting = `postMessage(0); for (;;) await new Deno.Command("true").output();`;
    const worker = new Worker(`data:application/javascript,${encodeURIComponent(starting)}`, { type: "module" });
    try {
      await new Promise((resolve) => worker.onmessage = resolve);
      for (let i = 0; i < 300; i++) (await lockFolder(folder)).release();
    } finally {
      worker.terminate();
    }
  }));
