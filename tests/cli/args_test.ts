import { assertEquals } from "@std/assert";
import { parseArguments } from "../../src/cli/args.ts";
import { defineCommand, flag } from "../../src/cli/command.ts";
import { boolean, duration, text } from "../../src/shared/config/kinds.ts";

const command = defineCommand({
  usage: "[FILE…]",
  groups: ["kafka", "file", "http"],
  flags: {
    once: flag(boolean, { doc: "Once." }),
    wait: flag(duration(0, 3_600_000), { default: "60s", doc: "Wait." }),
    key: flag(text(), { doc: "Key." }),
  },
  run: () => Promise.resolve(0 as const),
});
const parse = (...words: string[]) => parseArguments("produce", command, words);

Deno.test("parseArguments() gives every flag its default", () => {
  assertEquals(parse(), {
    settings: new Map(),
    flags: { once: false, wait: 60_000 },
    positionals: [],
    envFile: undefined,
    help: false,
    problems: [],
  });
});

Deno.test("parseArguments() tells settings, own flags and words apart", () => {
  const read = parse(
    "a.log",
    "--kafka-url",
    "k:1",
    "--kafka-tls",
    "--no-file-follow",
    "--api-token-file=/t",
    "--host=web",
    "--once",
    "--wait",
    "5m",
    "--key=--x",
    "--env-file",
    "stream.env",
    "-",
    "--",
    "--once",
  );
  assertEquals(
    read.settings,
    new Map([["KAFKA_URL", "k:1"], ["KAFKA_TLS", "true"], ["FILE_FOLLOW", "false"], ["API_TOKEN_FILE", "/t"], [
      "FILE_HOST",
      "web",
    ]]),
  );
  assertEquals(read.flags, { once: true, wait: 300_000, key: "--x" });
  assertEquals(read.positionals, ["a.log", "-", "--once"]);
  assertEquals(read.envFile, "stream.env");
  assertEquals(read.problems, []);
});

Deno.test("parseArguments() lets the last of repeated flags win, and booleans take a value", () => {
  assertEquals(parse("--kafka-url=a:1", "--kafka-url=b:1").settings.get("KAFKA_URL"), "b:1");
  assertEquals(parse("--kafka-tls=false").settings.get("KAFKA_TLS"), "false");
  assertEquals(parse("--once", "--no-once").flags.once, false);
});

Deno.test("parseArguments() collects what is wrong, without the values of unknown flags", () => {
  assertEquals(
    parse(
      "--kafka-topik",
      "t",
      "--window-size=1m",
      "--secret=canary",
      "--wait=x",
      "--key",
      "--once",
      "--no-wait",
      "--kafka-group",
    ).problems,
    [
      "--kafka-topik is not a flag of tidemark produce; did you mean --kafka-topic?",
      "--window-size is not used by tidemark produce",
      "--secret is not a flag of tidemark produce",
      '--wait must be a duration from 0ms to 1h, such as 250ms, 60s, 5m or 1h: current value is "x"',
      "--key needs a value",
      "--no-wait is not a flag of tidemark produce; did you mean --wait?",
      "--kafka-group needs a value",
    ],
  );
});

Deno.test("parseArguments() refuses words where the command takes none", () => {
  const none = defineCommand({ usage: "", groups: [], flags: {}, run: () => Promise.resolve(0 as const) });
  assertEquals(parseArguments("serve", none, ["now"]).problems, ['tidemark serve takes no arguments: "now"']);
  assertEquals(parseArguments("serve", none, ["-h", "now"]).help, true);
});

Deno.test("parseArguments() prefers a command's own flag to a setting's alias", () => {
  const own = defineCommand({
    usage: "",
    groups: ["file"],
    flags: { host: flag(text(), { doc: "Own." }) },
    run: () => Promise.resolve(0 as const),
  });
  const read = parseArguments("x", own, ["--host=a", "--file-host=b"]);
  assertEquals([read.flags.host, read.settings.get("FILE_HOST")], ["a", "b"]);
});
