// Precedence, files, and every problem at once; a canary replaces every secret and must never come out.
import { assertEquals, assertInstanceOf, assertNotMatch, assertThrows } from "@std/assert";
import { type LoadedSettings, type LoadInputs, loadSettings } from "../../../src/shared/config/load.ts";
import { UsageError } from "../../../src/shared/errors.ts";
import { SETTING_NAMES, settingOf } from "../../../src/shared/config/settings.ts";

interface Given {
  readonly flags?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly file?: string;
  readonly files?: Record<string, string>;
  readonly groups?: LoadInputs["groups"];
}

function load({ flags = {}, env = {}, file, files = {}, groups }: Given): LoadedSettings {
  return loadSettings({
    flags: new Map(Object.entries(flags)),
    env: { get: (name) => env[name], names: () => Object.keys(env) },
    file: file === undefined ? undefined : { path: "stream.env", content: file },
    readFile: (path) => {
      const content = files[path];
      if (content === undefined) throw new Error(`No such file ${path}`);
      return content;
    },
    instanceId: "host-1",
    ...(groups && { groups }),
  });
}

function problemsOf(given: Given): readonly string[] {
  const error = assertThrows(() => load(given), UsageError);
  assertInstanceOf(error, UsageError);
  assertEquals(error.exitCode, 2);
  return error.problems;
}

Deno.test("loadSettings() takes a flag before the environment, that before the file, that before the default", () => {
  const flags = { HTTP_PORT: "1" };
  const env = { HTTP_PORT: "2" };
  const file = "HTTP_PORT=3";
  const port = (given: Given) => {
    const { settings, sources } = load(given);
    return [settings.HTTP_PORT, sources.HTTP_PORT.from, sources.HTTP_PORT.as];
  };
  assertEquals(port({ flags, env, file }), [1, "flag", "--http-port"]);
  assertEquals(port({ env, file }), [2, "environment", "HTTP_PORT"]);
  assertEquals(port({ file }), [3, "settings file", "HTTP_PORT"]);
  assertEquals(port({}), [8080, "default", ""]);
});

Deno.test("loadSettings() takes an empty value as the default, also over a lower layer", () => {
  const { settings, sources } = load({ flags: { POSTGRES_URL: "" }, env: { POSTGRES_URL: "postgresql://localhost" } });
  assertEquals(settings.POSTGRES_URL, undefined);
  assertEquals(sources.POSTGRES_URL.from, "default");
  assertEquals(load({ env: { HTTP_PORT: "" }, file: "HTTP_PORT=3" }).settings.HTTP_PORT, 8080);
  assertEquals(load({}).settings.INSTANCE_ID, "host-1");
});

Deno.test("loadSettings() reads X_FILE from a file at any layer, without its last line break", () => {
  const files = { "/run/token": "canary-canary-canary\r\n", "/run/pw": "two\nlines\n" };
  const { settings, sources } = load({ env: { API_TOKEN_FILE: "/run/token" }, files });
  assertEquals(settings.API_TOKEN, "canary-canary-canary");
  assertEquals([sources.API_TOKEN.from, sources.API_TOKEN.as], ["environment", "API_TOKEN_FILE"]);
  const flag = load({ flags: { API_TOKEN_FILE: "/run/token" }, env: { API_TOKEN: "x".repeat(16) }, files });
  assertEquals(flag.settings.API_TOKEN, "canary-canary-canary");
  assertEquals(flag.sources.API_TOKEN.as, "--api-token-file");
  assertEquals(
    load({ file: "API_TOKEN_FILE=/run/token\nAPI_TOKEN=", files }).settings.API_TOKEN,
    "canary-canary-canary",
  );
  assertEquals(problemsOf({ env: { POSTGRES_PASSWORD_FILE: "/run/pw", API_TOKEN_FILE: "/run/none" }, files }), [
    "POSTGRES_PASSWORD_FILE must be 1 to 4096 printable characters",
    "API_TOKEN_FILE cannot be read: No such file /run/none",
  ]);
  assertEquals(problemsOf({ env: { API_TOKEN_FILE: "/run/token", API_TOKEN: "x".repeat(16) }, files }), [
    "API_TOKEN and API_TOKEN_FILE are both given: remove one",
  ]);
});

Deno.test("loadSettings() reports every problem of every layer at once, with suggestions", () => {
  assertEquals(
    problemsOf({
      flags: { LOG_LEVEL: "loud" },
      env: { WINDOW_SIZE: "7m", WATERMARK_DELY: "1m", HTTP_PORT: "99999", HTTP_HOST: "0.0.0.0", PATH: "/bin" },
      file: "KAFKA_TOPC=a\nFOO=1\nnonsense\nSOURCE=file\nSOURCE=demo\nMAX_DELTA_KEYS=0",
    }),
    [
      "WATERMARK_DELY in the environment is not a setting; did you mean WATERMARK_DELAY? (unset it if it belongs to another program)",
      "stream.env line 3 is not NAME=value",
      "stream.env line 1: KAFKA_TOPC is not a setting; did you mean KAFKA_TOPIC?",
      "stream.env line 2: FOO is not a setting",
      "stream.env line 5 repeats SOURCE of line 4",
      'MAX_DELTA_KEYS must be an integer from 1 to 10000000: current value is "0"',
      'HTTP_PORT must be an integer from 0 to 65535: current value is "99999"',
      '--log-level must be one of debug, info, warn, error: current value is "loud"',
      "WINDOW_SIZE must divide a day: current value is 7m",
      "API_TOKEN (or API_PUBLIC=true) is required, because other machines can reach HTTP_HOST=0.0.0.0",
    ],
  );
});

Deno.test("loadSettings() leaves other programs' variables alone", () => {
  load({
    env: { HTTPS_PORT: "1", SOURCES: "x", KAFKA_HEAP_OPTS: "x", POSTGRES_PORT: "1", HTTP_PROXY: "x", PGUSER: "x" },
  });
  // A name that is given beside the right one does not misspell it.
  load({ env: { KAFKA_TOPICS: "x", KAFKA_TOPIC: "t" } });
  // Variables that may not be listed cannot be checked.
  loadSettings({
    flags: new Map(),
    env: { get: () => undefined, names: () => [] },
    readFile: () => "",
    instanceId: "i",
  });
});

Deno.test("loadSettings() checks relations only between settings that the command uses", () => {
  const env = { SOURCE: "file", HTTP_HOST: "0.0.0.0" };
  assertEquals(load({ env, groups: ["geo"] }).settings.SOURCE, "file");
  assertEquals(problemsOf({ env, groups: ["source", "file"] }), ["FILE_PATH is required with SOURCE=file"]);
});

Deno.test("loadSettings() gives one notice for what is accepted without effect or readable by others", () => {
  const { notices } = load({
    flags: { API_TOKEN: "canary-canary-canary" },
    env: { IP_CODING_KEY: "canary" },
  });
  assertEquals(notices, [
    "--api-token is visible in the list of processes; use API_TOKEN or API_TOKEN_FILE.",
    "IP_CODING_KEY is not used: places come from a file, and no address leaves this machine.",
  ]);
});

Deno.test("loadSettings() never repeats a secret, whatever is wrong with it", () => {
  const canary = "canary\u0000\n";
  const secrets = SETTING_NAMES.filter((name) => settingOf(name).secret || settingOf(name).fromFile);
  const everywhere = Object.fromEntries(secrets.map((name) => [name, canary]));
  for (const given of [{ flags: everywhere }, { env: everywhere }]) {
    assertNotMatch(problemsOf(given).join("\n"), /canary/);
  }
  const mistakes = [
    { env: { POSTGRES_URL: "postgresql://u:canary@h:99999/" } },
    { env: { POSTGRES_URL: "jdbc:postgresql://h/?password=canary&sslmode=x" } },
    { env: { POSTGRES_URL: "jdbc:postgresql://localhost/?reWriteBatchedInserts=canary" } },
    { env: { KAFKA_URL: "kafka://u:canary@h:1" } },
    { env: { API_TOKEN_FILE: "/t", HTTP_HOST: "0.0.0.0" }, files: { "/t": "canary" } },
    { env: { KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_PASSWORD: "canary" } },
    { file: "API_TOKEN canary\nAPI_TOKN=canary\nAPI_TOKEN='canary" },
    { env: { API_TOKN: "canary", API_TOKEN: "short" } },
  ];
  for (const mistake of mistakes) assertNotMatch(problemsOf(mistake).join("\n"), /canary/, JSON.stringify(mistake));
});
