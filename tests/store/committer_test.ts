// What a commit's outcome means for its payload, where the rows alone do not say it.
import { assertEquals } from "@std/assert";
import { silentLog } from "../../src/shared/log.ts";
import { epochMs } from "../../src/shared/units.ts";
import { Committer } from "../../src/store/committer.ts";
import type { CommitPayload, Store } from "../../src/store/port.ts";

const PAYLOAD: CommitPayload = {
  commitId: "00000000-0000-4000-8000-000000000000",
  reason: "interval",
  moves: [],
  chunks: [],
  visitors: [],
  dead: null,
  records: 0,
  keys: 0,
};

Deno.test("deliver() gives up a payload whose salt is not that of its day, and does not send it again", async () => {
  let sent = 0;
  const store: Pick<Store, "commit"> = {
    commit: () => Promise.resolve({ kind: ++sent === 1 ? "salt_differs" : "committed" }),
  };
  const committer = new Committer(
    store as Store,
    { now: () => epochMs(0), sleep: () => Promise.resolve() },
    silentLog,
    { onTrouble: () => {}, onUnknown: () => {}, onRead: () => {} },
  );
  const delivery = await committer.deliver(PAYLOAD, new AbortController().signal);
  assertEquals([delivery, sent], [{ kind: "fenced", partitions: [] }, 1]);
});
