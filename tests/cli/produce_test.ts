// What `produce` makes of lines, and how it batches, paces, stops and counts; a real broker is in tests/integration/produce_test.ts.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { gzipSync } from "node:zlib";
import { produceInputs, type ProduceOptions } from "../../src/cli/produce/produce_inputs.ts";
import {
  messageOfLine,
  type MessageRules,
  type OutMessage,
  SENT_BYTES_MAX,
} from "../../src/cli/produce/produce_message.ts";
import { inputsOf } from "../../src/cli/produce/inputs.ts";
import { Lateness } from "../../src/cli/produce/lateness.ts";
import { lineExaminer, lineTimeReader } from "../../src/app/wiring.ts";
import { RULES_2 } from "../../src/event/stream_rules.ts";
import { durationMs, MINUTE } from "../../src/shared/units.ts";
import { IncompleteSend } from "../../src/source/kafka/producer/incomplete_send.ts";
import type { ProduceCounts } from "../../src/cli/produce/progress.ts";
import { UsageError } from "../../src/shared/errors.ts";
import { createLog, silentLog } from "../../src/shared/log.ts";
import { streamContent } from "../../src/source/file/content.ts";
import { ManualClock } from "../source/file/rig.ts";
import { produceContext } from "../support/produce_context.ts";
import { until } from "../support/wait.ts";

const ACCESS = `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 20 "http://r.example/" "curl/8"`;
const encode = (text: string) => new TextEncoder().encode(text);

function message(line: string, rules: MessageRules = { key: "none", defaultHost: "site.example" }) {
  const bytes = encode(`..${line}\n`);
  return messageOfLine(bytes, 2, bytes.length - 1, rules);
}

Deno.test("messageOfLine() makes an event of an access-log line and leaves JSON as it is", () => {
  const made = message(ACCESS);
  assert(typeof made !== "string");
  assertEquals(JSON.parse(made.value.toString()), {
    url: "/a",
    referrer: "http://r.example/",
    user_agent: "curl/8",
    host: "site.example",
    ip: "83.149.9.216",
    event_time: "2015-05-17T10:05:03.000Z",
  });
  for (const line of ['{"host":"h",  "x":1}', "\t {broken"]) {
    const kept = message(line);
    assert(typeof kept !== "string");
    assertEquals(kept.value.toString(), line);
  }
});

Deno.test("messageOfLine() keys by host or address, and leaves out the key without both", () => {
  const key = (line: string, rule: MessageRules["key"]) => {
    const made = message(line, { key: rule, defaultHost: "Site.Example" });
    return typeof made === "string" ? made : made.key;
  };
  assertEquals(key(ACCESS, "none"), null);
  assertEquals(key(ACCESS, "host"), "site.example");
  assertEquals(key(ACCESS, "ip"), "83.149.9.216");
  assertEquals(key('{"host":"H","ip":"1.2.3.4"}', "host"), "h");
  assertEquals(key('{"host":"H","ip":"1.2.3.4"}', "ip"), "1.2.3.4");
  assertEquals(key("{broken", "host"), null);
  assertEquals(key("{}", "ip"), null);
});

Deno.test("messageOfLine() says why a line cannot be sent", () => {
  assertEquals(message("what is this"), "bad_line");
  assertEquals(messageOfLine(new Uint8Array([0x31, 0xff, 0x20]), 0, 3, { key: "none" }), "bad_line");
  assertEquals(message(ACCESS, { key: "none" }), "no_host");
  assert(typeof message(ACCESS.replace("GET /a", "GET http://h.example/a"), { key: "none" }) !== "string");
  assert(typeof message(`{${" ".repeat(SENT_BYTES_MAX - 1)}`) !== "string");
  assertEquals(message(`{${" ".repeat(SENT_BYTES_MAX)}`), "too_large");
});

interface Run {
  readonly batches: OutMessage[][];
  readonly options: ProduceOptions;
  readonly clock: ManualClock;
}

function run(content: string | Uint8Array, changes: Partial<ProduceOptions> = {}): Run {
  const batches: OutMessage[][] = [];
  const clock = new ManualClock(0);
  const bytes = typeof content === "string" ? encode(content) : content;
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += 1000) yield await Promise.resolve(bytes.subarray(at, at + 1000));
  }
  const options: ProduceOptions = {
    inputs: [{ name: "in", size: null, open: () => streamContent(chunks()) }],
    rules: { key: "none" },
    rate: undefined,
    fromLine: 1,
    send: (messages) => Promise.resolve(void batches.push([...messages])),
    onProgress: () => {},
    clock,
    log: silentLog,
    signal: new AbortController().signal,
    ...changes,
  };
  return { batches, options, clock };
}

const json = (count: number, size = 20) =>
  Array.from({ length: count }, (_, i) => `{"n":${i},"x":"${"y".repeat(size)}"}`);

Deno.test("produceInputs() sends every line once, in order, plain or gzip, with bounded batches", async () => {
  const lines = json(30_000, 60);
  for (const content of [lines.join("\n"), lines.join("\r\n") + "\r\n", gzipSync(lines.join("\n\n"))]) {
    const { batches, options } = run(content);
    const counts = await produceInputs(options);
    assertEquals(counts.sent, lines.length);
    assertEquals(batches.flat().map(({ value }) => value.toString()), lines);
    assert(batches.length > 2 && batches.every((batch) => batch.length <= 10_000));
    assert(batches.every((batch) => batch.reduce((sum, { value }) => sum + value.length, 0) <= 900_000));
  }
});

Deno.test("produceInputs() counts what it leaves out and says so once for each reason", async () => {
  const logged: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => logged.push(line), now: () => 0 });
  const { batches, options } = run(`{"a":1}\nwrong 10.1.2.3\nwrong\n\n{${" ".repeat(SENT_BYTES_MAX)}\n{"a":2}`, {
    log,
  });
  const counts = await produceInputs(options);
  assertEquals([counts.sent, counts.unsent, batches.flat().length], [2, { bad_line: 2, too_large: 1 }, 2]);
  assertEquals(logged.length, 2);
  assert(logged.every((line) => !line.includes("10.1.2.3")), "no address is logged");
});

Deno.test("produceInputs() ends where an access log has no host", async () => {
  await assertRejects(() => produceInputs(run(ACCESS).options), UsageError, "no host");
});

Deno.test("produceInputs() keeps to a rate", async () => {
  const { batches, options, clock } = run(json(30).join("\n"), { rate: 100 });
  const ended = produceInputs(options);
  const sent = async (count: number) => {
    await until(`${count} batches`, () => batches.length >= count, { everyMs: 1 });
    assertEquals(batches.length, count);
  };
  await sent(1);
  assertEquals(batches[0]!.length, 10);
  clock.advance(99);
  await sent(1);
  clock.advance(1);
  await sent(2);
  clock.advance(100);
  assertEquals((await ended).sent, 30);
});

Deno.test("produceInputs() stops after the batch on its way when told to", async () => {
  const stop = new AbortController();
  const { batches, options } = run(json(60_000).join("\n"), { signal: stop.signal });
  const counts = await produceInputs({
    ...options,
    send: async (messages) => {
      batches.push([...messages]);
      stop.abort();
      await Promise.resolve();
    },
  });
  assertEquals(batches.length, 1);
  assertEquals(counts.sent, batches[0]!.length);
});

Deno.test("produceInputs() rejects with what the sender rejects with, having told what was stored", async () => {
  let stored = 0;
  let calls = 0;
  const { options } = run(json(60_000).join("\n"), {
    onProgress: (counts) => stored = counts.sent,
    send: () => ++calls < 3 ? Promise.resolve() : Promise.reject(new Error("gone")),
  });
  await assertRejects(() => produceInputs(options), Error, "gone");
  assertEquals([stored, calls], [20_000, 3]);
});

Deno.test("produceInputs() says from which line a second run goes on, and that run sends the rest", async () => {
  const lines = ['{"n":0}', "", "bad", ...json(24_990), '{"n":"last"}'];
  let counts: ProduceCounts | undefined, calls = 0;
  const { options } = run(lines.join("\n"), { onProgress: (now) => counts = now });
  // Of the second batch, the records at 0, 1, 2 and 5 are acknowledged.
  const send = (messages: readonly OutMessage[]) =>
    ++calls < 2
      ? Promise.resolve()
      : Promise.reject(new IncompleteSend(messages.map((_, i) => i < 3 || i === 5), "gone"));
  await assertRejects(() => produceInputs({ ...options, send }), IncompleteSend, "gone");
  // 10,000 records of lines 1 and 4 to 10,002 are in the first batch; the second begins at line 10,003.
  assertEquals([counts!.sent, counts!.next, counts!.beyond], [10_004, { input: 0, line: 10_006 }, 1]);
  const rest = run(lines.join("\n"), { fromLine: 10_006 });
  const end = await produceInputs(rest.options);
  assertEquals(rest.batches.flat().map(({ value }) => value.toString()), lines.slice(10_005));
  assertEquals([end.next, end.beyond], [null, 0]);
});

Deno.test("produceInputs() tells the records that will be late: their window is over by the newest time sent before them", async () => {
  const line = (minute: number) => ACCESS.replace("10:05:03", `10:${String(minute).padStart(2, "0")}:00`);
  const event = (minute: number) => `{"event_time":"2015-05-17T10:${String(minute).padStart(2, "0")}:00Z"}`;
  const lateness = new Lateness(durationMs(5 * MINUTE), durationMs(MINUTE));
  const lines = [line(9), line(11), line(10), event(4), event(3), line(6), '{"event_time":"never"}'];
  await produceInputs({
    ...run(lines.join("\n"), { rules: { key: "none", defaultHost: "a.example" } }).options,
    lateness,
  });
  // At 10:11 the windows up to 10:10 are over.
  assertEquals([lateness.timed, lateness.late], [6, 3]);
});

Deno.test("produceInputs() takes the host of an input for its lines, before the one of all", async () => {
  const { options, batches } = run(`${ACCESS}\n`);
  const [input] = options.inputs;
  const inputs = [{ ...input!, host: "a.example" }];
  await produceInputs({ ...options, inputs, rules: { key: "host", defaultHost: "site.example" } });
  assertEquals(batches.flat().map(({ key }) => key), ["a.example"]);
});

Deno.test("inputsOf() orders rotations, names what is not a log, and refuses a file in which nothing can be read", async () => {
  const folder = await Deno.makeTempDir();
  const settings = { ...produceContext([], "t", {}).given.settings, SOURCE: "file", FILE_HOST: "a.example" } as const;
  const options = {
    examine: lineExaminer(settings, RULES_2),
    timeOf: lineTimeReader(settings, RULES_2),
    log: silentLog,
    signal: new AbortController().signal,
  };
  const refused = (args: readonly string[]) => assertRejects(() => inputsOf(args, options), UsageError);
  try {
    const at = (name: string) => `${folder}/${name}`;
    for (const [name, minute] of [["access.log", 30], ["access.log.1", 20], ["access.log.10", 10]] as const) {
      await Deno.writeTextFile(at(name), ACCESS.replace("10:05", `10:${minute}`) + "\n");
    }
    await Deno.writeFile(at("access.log.2.gz"), gzipSync(`${ACCESS.replace("10:05", "10:15")}\n`));
    const names = async (...args: string[]) =>
      (await inputsOf(args, options)).map(({ name }) => name.replace(`${folder}/`, ""));
    const ordered = ["access.log.10", "access.log.2.gz", "access.log.1", "access.log"];
    assertEquals(await names(at("access.log*")), ordered);
    assertEquals(await names(at("access.log"), "-", ...ordered.slice(0, 3).toReversed().map(at)), [...ordered, "-"]);
    for (const name of ["a.example.log", "b.example.log.1"]) await Deno.writeTextFile(at(name), `${ACCESS}\n`);
    const named = await inputsOf([at("{host}.log*")], options);
    assertEquals(named.filter(({ host }) => host?.includes(".")).map(({ host }) => host).toSorted(), [
      "a.example",
      "b.example",
    ]);
    await Deno.writeTextFile(at("odd.log"), "\none thing\nand another\n");
    await Deno.writeTextFile(at("events.json"), '{"other":1}\n');
    assertEquals(await names(at("events.json")), ["events.json"]);
    const { message } = await refused([folder, at("odd.log"), at("absent.log"), "/dev/null", "-", "-"]);
    for (
      const words of [
        "read only once",
        `${folder} is a folder`,
        "None of the first 2 lines of",
        "Line 2: the line is not in the log's format",
        "There is no file at",
        "/dev/null is a device",
      ]
    ) assert(message.includes(words), `${words}: ${message}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("produceInputs() counts lines that are too long, blank or without an end", async () => {
  const long = `{${" ".repeat(2 ** 21)}`;
  const { batches, options } = run([long, "", '{"n":0}', '{"n":1}', "", '{"n":2}'].join("\n"), { fromLine: 4 });
  const counts = await produceInputs(options);
  assertEquals(batches.flat().map(({ value }) => value.toString()), ['{"n":1}', '{"n":2}']);
  assertEquals(counts.unsent, { bad_line: 0, too_large: 0 });
});
