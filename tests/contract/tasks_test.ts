// However the program is started, V8 gets the same flags: figures and memory bounds hold for all ways or for none.
import { assert, assertEquals } from "@std/assert";
import { V8_FLAGS } from "../../tools/scope.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("every task and contestant that starts the program gives V8 the flags of the binary", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))) as {
    tasks: Record<string, string>;
  };
  const starts = Object.entries(tasks).filter(([, command]) => command.includes("src/main.ts"));
  assert(starts.length >= 1);
  assertEquals(starts.filter(([, command]) => !command.includes(` ${V8_FLAGS} `)).map(([name]) => name), []);
  const peer = await Deno.readTextFile(new URL("bench/peers/contestants/tidemark/peer.sh", ROOT));
  assert(peer.includes(` ${V8_FLAGS} `));
});
