// The command line from words to exit code, over a host in memory.
import { assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { type Command, type CommandContext, defineCommand, flag } from "../../src/cli/command.ts";
import type { CommandEntry } from "../../src/cli/command.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { dispatch } from "../../src/cli/dispatch.ts";
import { boolean } from "../../src/shared/config/kinds.ts";
import { BugError, EXIT, type ExitCode, StreamStopped, Unavailable, UsageError } from "../../src/shared/errors.ts";
import { SETTING_NAMES, settingOf } from "../../src/shared/config/settings.ts";
import { VERSION } from "../../src/shared/version.ts";
import { fakeHost, type FakeHostOptions } from "./fake_host.ts";

async function call(words: readonly string[], options: FakeHostOptions = {}, commands = COMMANDS) {
  const host = fakeHost(options);
  const code = await dispatch(words, host, commands);
  return { code, ...await host.written() };
}

function only(run: (context: CommandContext) => ExitCode): Readonly<Record<string, CommandEntry>> {
  const command: Command = defineCommand({
    usage: "",
    groups: ["process", "http"],
    flags: { once: flag(boolean, { doc: "Once." }) },
    run: (_args, context) => Promise.resolve().then(() => run(context)),
  });
  return { try: { summary: "Try", load: () => Promise.resolve({ command }) } };
}

Deno.test("dispatch() answers help and version without settings", async () => {
  const env = { HTTP_PORT: "nonsense" };
  for (const words of [["--help"], ["-h"], ["help"]]) {
    const { code, out } = await call(words, { env });
    assertEquals(code, EXIT.ok);
    for (const name of Object.keys(COMMANDS)) assertMatch(out, new RegExp(`^  ${name} `, "m"));
  }
  for (const words of [["config", "--help"], ["config", "-h"], ["help", "config"]]) {
    const { code, out } = await call(words, { env });
    assertEquals(code, EXIT.ok);
    for (const name of SETTING_NAMES) assertStringIncludes(out, name.toLowerCase().replaceAll("_", "-"));
  }
  assertEquals(await call(["--version"], { env }), { code: EXIT.ok, out: `tidemark ${VERSION}\n`, err: "" });
});

Deno.test("dispatch() loads every command, and every one has help that fits the screen", async () => {
  for (const name of Object.keys(COMMANDS)) {
    const { code, out } = await call([name, "--help"]);
    assertEquals(code, EXIT.ok, name);
    assertStringIncludes(out, `Usage: tidemark ${name} `);
    for (const line of out.split("\n")) assertEquals(line.length <= 100, true, `${name}: ${line}`);
  }
  const narrow = await call(["run", "--help"], { terminal: true, columns: 80 });
  assertEquals(narrow.out.split("\n").filter((line) => line.length > 80), [], "a narrow terminal gets narrow help");
});

Deno.test("dispatch() ends in 2 without a command, and with an unknown one suggests the nearest", async () => {
  assertEquals((await call([])).code, EXIT.usage);
  const { code, err, out } = await call(["confg"]);
  assertEquals([code, out], [EXIT.usage, ""]);
  assertStringIncludes(err, "confg is not a command; did you mean config?");
  assertEquals((await call(["__proto__"])).code, EXIT.usage);
});

Deno.test("dispatch() tells problems of arguments, environment and file together", async () => {
  const { code, err } = await call(["config", "--nonsense", "--http-port=x", "--env-file=s.env"], {
    env: { WINDOW_SIZE: "7m" },
    files: { "s.env": "FOO=1" },
  });
  assertEquals(code, EXIT.usage);
  assertEquals(err.split("\n"), [
    "tidemark: bad_settings:",
    "  --nonsense is not a flag of tidemark config",
    "  s.env line 1: FOO is not a setting",
    '  --http-port must be an integer from 0 to 65535: current value is "x"',
    "  WINDOW_SIZE must divide a day: current value is 7m",
    "Run `tidemark --help` for the list of settings.",
    "",
  ]);
  assertStringIncludes((await call(["config", "--env-file=none"])).err, "--env-file cannot be read: No such file none");
});

Deno.test("dispatch() turns each kind of error into its name, its action and its exit code", async () => {
  const cases: readonly (readonly [unknown, ExitCode, RegExp])[] = [
    [
      new Unavailable("no_broker", "No broker", "Start it."),
      EXIT.unavailable,
      /^tidemark: no_broker: No broker\nStart it\.\n$/,
    ],
    [new StreamStopped("data_gap", "Gap", "Resume."), EXIT.stopped, /data_gap: Gap/],
    [new BugError("impossible"), EXIT.internal, /internal:[\s\S]*impossible[\s\S]*This is a bug/],
    [new Deno.errors.NotCapable("Requires net"), EXIT.usage, /permission_refused: Requires net/],
    ["a string", EXIT.internal, /internal: a string/],
  ];
  for (const [error, expected, text] of cases) {
    const { code, err } = await call(
      ["try"],
      { terminal: true },
      only(() => {
        throw error;
      }),
    );
    assertEquals(code, expected);
    assertMatch(err, text);
  }
});

Deno.test("dispatch() ends a JSON log with a JSON line, unless the command is mistyped", async () => {
  const { code, err } = await call(
    ["try", "--log-format=json"],
    { terminal: true },
    only((context) => {
      context.log.info("started");
      throw new StreamStopped("data_gap", "Gap", "Resume.");
    }),
  );
  const lines = err.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(code, EXIT.stopped);
  assertEquals(lines.map(({ message }) => message), ["started", "Gap"]);
  const mistyped = await call(
    ["try", "--log-format=json"],
    {},
    only(() => {
      throw new UsageError(["wrong"], "Read on.", "bad_arguments");
    }),
  );
  assertEquals([mistyped.code, mistyped.err], [EXIT.usage, "tidemark: bad_arguments: wrong\nRead on.\n"]);
  assertEquals([lines[1].error, lines[1].action, lines[1].exit_code], ["data_gap", "Resume.", 4]);
});

Deno.test("dispatch() gives a command its flags, streams and settings", async () => {
  let seen: CommandContext | undefined;
  const commands = only((context) => {
    seen = context;
    context.out("result");
    context.progress("50 %");
    context.log.debug("hidden");
    return EXIT.findings;
  });
  const plain = await call(["try", "--once"], { env: { HTTP_PORT: "0" } }, commands);
  assertEquals(plain, { code: EXIT.findings, out: "result\n", err: "" });
  assertEquals([seen?.flags.once, seen?.settings.HTTP_PORT, seen?.isTerminal, seen?.colour], [true, 0, false, false]);
  assertEquals(await seen?.drained(), true);
  const terminal = await call(["try"], { terminal: true }, commands);
  assertEquals(terminal.err, "50 %");
  assertEquals([seen?.isTerminal, seen?.colour], [true, true]);
});

Deno.test("dispatch() never prints a secret: config in every form, help, problems", async () => {
  const canary = "canary0123456789";
  const pem = `-----BEGIN KEY-----\n${canary}\n-----END KEY-----`;
  const all: Record<string, string> = { KAFKA_TLS: "true" };
  for (const name of SETTING_NAMES) {
    // Each differs from the others: tokens that are given away may not equal wider ones.
    if (settingOf(name).secret) all[name] = settingOf(name).kind.placeholder === "<pem>" ? pem : `${canary}${name}`;
  }
  all.KAFKA_TLS_CERT = pem;
  all.POSTGRES_TLS_CERT = pem;
  all.NOTIFY_WEBHOOKS = `https://hooks.example/${canary}`;
  all.SMTP_URL = `smtp://u:${canary}@mail.example:587`;
  all.POSTGRES_URL = `jdbc:postgresql://u:${canary}@localhost/web?password=${canary}&sslmode=require`;
  // A secret of one mechanism is refused beside the other.
  const { KAFKA_SASL_PASSWORD, KAFKA_OAUTH_CLIENT_SECRET, ...both } = all;
  const logins = [
    { KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_USERNAME: "u", KAFKA_SASL_PASSWORD: KAFKA_SASL_PASSWORD! },
    {
      KAFKA_SASL_MECHANISM: "oauthbearer",
      KAFKA_OAUTH_TOKEN_URL: "https://id.example/token",
      KAFKA_OAUTH_CLIENT_ID: "u",
      KAFKA_OAUTH_CLIENT_SECRET: KAFKA_OAUTH_CLIENT_SECRET!,
    },
  ];
  const forms = [[], ["--json"], ["--env"], ["--help"], ["--http-port=x"], [`--api-token=${canary} `]];
  for (const login of logins) {
    const env = { ...both, ...login };
    for (const form of forms) {
      const { out, err } = await call(["config", ...form], { env });
      assertNotMatch(out + err, /canary/, form.join(" "));
    }
    const { out } = await call(["config"], { env });
    assertMatch(out, /^API_TOKEN +\*\*\* +environment$/m);
    assertMatch(out, /^KAFKA_\w+(?:PASSWORD|CLIENT_SECRET) +\*\*\* +environment$/m);
    assertMatch(out, /^POSTGRES_URL +postgresql:\/\/u:\*\*\*@localhost:5432\/web\?sslmode=require +environment$/m);
  }
});
