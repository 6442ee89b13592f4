// A file in which nothing can be read is refused before anything is stored, by name; a running stream takes its lines as dead letters.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { firstLines, nothingRead } from "../../../src/event/log_line/found.ts";
import { RULES_2 } from "../../../src/event/stream_rules.ts";
import { UsageError } from "../../../src/shared/errors.ts";
import { createLog } from "../../../src/shared/log.ts";
import { durationMs, offset, partitionId } from "../../../src/shared/units.ts";
import { disk } from "../../../src/source/file/file_system.ts";
import { MemoryLogs } from "../../../src/source/file/generations.ts";
import { MemoryLease } from "../../../src/source/lease.ts";
import { createFileSource } from "../../../src/source/file/source.ts";
import type { Source } from "../../../src/source/port.ts";
import { ManualClock, timeOfLine } from "./rig.ts";

const GOOD = `8.8.8.8 - - [03/Mar/2026:10:00:07 +0000] "GET / HTTP/1.1" 200 5 "-" "a"\n`;

async function withFolder(work: (path: string, open: (options: Options) => Source, told: string[]) => Promise<void>) {
  const folder = await Deno.makeTempDir(), logs = new MemoryLogs(), told: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => told.push(line), now: () => 0 });
  try {
    await work(`${folder}/access.log`, ({ host, follow = false }) =>
      createFileSource({
        paths: [`${folder}/access.log`],
        follow,
        lastLine: "leave",
        files: disk,
        logs,
        missingFor: durationMs(30_000),
        firstEventTime: timeOfLine,
        examine: (bytes, path, named) => {
          const first = firstLines(bytes, {
            stream: RULES_2,
            format: "lines",
            referrerGranularity: "raw",
            keyBytesMax: 1024,
            trustedProxyHops: 0,
            defaultHost: named ?? host,
          }, false);
          return { format: first.found, refusal: first.events === 0 ? nothingRead(path, first) : null };
        },
        clock: new ManualClock(Date.now()),
        log,
        lease: new MemoryLease({ owner: null }),
      }), told);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Options {
  readonly host?: string | undefined;
  readonly follow?: boolean;
}

async function assigned(source: Source): Promise<void> {
  await source.open(new AbortController().signal);
  try {
    assertEquals((await source.poll(0)).kind, "assigned");
  } finally {
    await source.close(1000);
  }
}

Deno.test("a file in which nothing can be read is refused with its line; one that can is taken with its format", async () => {
  await withFolder(async (path, open, told) => {
    await Deno.writeTextFile(path, "\nno log\n");
    const error = await assertRejects(() => assigned(open({ host: "a.example" })), UsageError);
    assert(error.message.includes(path) && error.message.includes("Line 2"), error.message);
    await Deno.writeTextFile(path, GOOD);
    await assertRejects(() => assigned(open({})), UsageError, "--host NAME");
    await assertRejects(() => assigned(open({ follow: true })), UsageError, "--host NAME");
    told.length = 0;
    await assigned(open({ host: "a.example" }));
    assert(told.some((line) => line.includes('"format":"combined"')), told.join());
  });
});

Deno.test("a file in which nothing can be read does not stop a stream that has begun: its lines are dead letters", async () => {
  await withFolder(async (path, open, told) => {
    await Deno.writeTextFile(path, GOOD);
    const source = open({ host: "a.example", follow: true });
    await source.open(new AbortController().signal);
    const event = await source.poll(0);
    assert(event.kind === "assigned");
    const { partitions: [bounds] } = await source.identify();
    source.resume(event.generation, new Map([[partitionId(0), offset(bounds!.logStart)]]));
    const first = await source.poll(0);
    assert(first.kind === "batch" && first.batch.runs.length === 1);
    await Deno.rename(path, `${path}.1`);
    await Deno.writeTextFile(path, "no log\n".repeat(200));
    await source.identify();
    assert(told.some((line) => line.includes("format_unknown")), told.join("\n"));
    await source.close(1000);
  });
});
