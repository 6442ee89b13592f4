// Any texts for any settings: typed settings or a UsageError with every problem, never anything else; what is accepted can be written again.
import { loadSettings } from "../../src/shared/config/load.ts";
import { formatBytes, formatDuration, type StartAt } from "../../src/shared/config/kinds.ts";
import type { PostgresUrl } from "../../src/shared/config/postgres_url.ts";
import { UsageError } from "../../src/shared/errors.ts";
import {
  ENVIRONMENT_NAMES,
  SETTING_NAMES,
  type SettingName,
  settingOf,
  type Settings,
} from "../../src/shared/config/settings.ts";
import { type Below, type Chance, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf, type Verdict } from "./target.ts";

/** Texts that are values of some setting, and neighbours of such. */
const TEXTS = [
  ...[
    "true",
    "FALSE",
    "1",
    "off",
    "on",
    "yes",
    "none",
    "auto",
    "kafka",
    "file",
    "demo",
    "earliest",
    "latest",
    "raw",
    "origin",
    "plain",
    "scram-sha-512",
    "verify",
    "json",
    "store",
  ],
  ...[
    "0",
    "-1",
    "007",
    "1e3",
    "0x10",
    "1.5",
    "0.001",
    "8080",
    "65535",
    "65536",
    "99999999999999999999",
    "9007199254740993",
  ],
  ...[
    "5m",
    "300000ms",
    "1d",
    "24h",
    "60s",
    "250ms",
    "0s",
    "1h30m",
    "5 m",
    "1KiB",
    "1024",
    "1MiB",
    "64B",
    "1GiB",
    "1KB",
  ],
  ...[
    "localhost:9093",
    "a:1,b:2",
    " a , b:9",
    "[::1]:9092",
    "kafka://a:1",
    "a:0",
    "a:65536",
    "bücher.example:1",
    "a.b-c_d:9092,",
    ",",
  ],
  ...[
    "2026-01-31T00:00:00Z",
    "2026-01-31T00:00:00.123456789+23:59",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "2026-02-30T00:00:00Z",
    "2026-01-31",
    "+002026-01-31T00:00:00Z",
    "2016-12-31T23:59:60Z",
  ],
  ...[
    "postgresql://localhost",
    "postgres://u:p@h:5433/d",
    "jdbc:postgresql://h/d?user=u&password=p&ssl=true",
    "jdbc:postgresql:d",
    "jdbc:postgresql:/",
    "postgresql://u:%25p@[::1]:1/d?sslmode=require",
    "postgresql://h/d?host=/var/run/pg",
    "postgresql://%2Fvar%2Frun/d",
    "postgresql://h:99999/",
    "postgresql://h1,h2/d",
    "postgresql://u:%ZZ@h/",
    "postgresql://h/a%2Fb",
    "POSTGRESQL://H/D",
    "postgresql:///d",
    "postgresql://h/d?x=1&x=2",
  ],
  ...[
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "-----BEGIN A-----x-----END B-----",
    "web_traffic_topic",
    "a.b-c",
    "..",
    "pg_x",
    "public",
    "0abc",
    "canary-canary-canary",
    "short",
    "/path/to/file",
    ".",
    "é",
    "a b",
    "a\tb",
    "\u0000",
    "0.0.0.0",
    "::1",
    "127.0.0.1",
  ],
];
/** Values of a setting that are good more often than not. */
const GOOD: Readonly<Partial<Record<SettingName, readonly string[]>>> = {
  POSTGRES_URL: TEXTS.filter((text) => /^(jdbc:)?postgres/i.test(text)),
  KAFKA_URL: ["localhost:9093", "a:1,b:2", " a , b:9", "[::1]:9092", "bücher.example:1"],
  START_AT: [
    "earliest",
    "latest",
    "2026-01-31T00:00:00Z",
    "2026-01-31T00:00:00.123456789+23:59",
    "9999-12-31T23:59:59.999Z",
    "0000-01-01T00:00:00Z",
  ],
  GEO_DATABASE: ["/a.mmdb", "/a.mmdb, /b.mmdb", "a,,b"],
};
const DURATIONS = ["1s", "5m", "300000", "1h", "1d", "50ms", "61s", "86400000ms"];
const SIZES = ["64", "512B", "1KiB", "4KiB", "1MiB", "64MiB"];
const NUMBERS = ["0", "1", "4", "16", "100", "8080", "07", "1000000"];
const BOOLEANS = ["true", "false", "1", "0", "YES", "off"];

function valueOf(name: SettingName, { pick, once }: Chance): string {
  const { grammar, placeholder } = settingOf(name).kind;
  const good = GOOD[name] ??
    (placeholder === ""
      ? BOOLEANS
      : placeholder.startsWith("<duration>")
      ? [...DURATIONS, "off"]
      : placeholder === "<bytes>"
      ? SIZES
      : placeholder === "<n>"
      ? NUMBERS
      : grammar.startsWith("one of")
      ? placeholder.split("|")
      : ["name", "a.b-c", "canary-canary-canary", "public"]);
  return once(5) ? pick(TEXTS) : pick(good);
}

/** {"env": {…}, "flags": {…}, "file": "…"}: what settings are made of. */
interface Given {
  readonly env: Readonly<Record<string, string>>;
  readonly flags: Readonly<Record<string, string>>;
  readonly file: string | null;
}

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const { pick, once, many } = chance;
  const layer = (most: number): Record<string, string> =>
    Object.fromEntries(many(most, () => {
      const name = pick(SETTING_NAMES);
      const value = valueOf(name, chance);
      const changed = once(6) ? new TextDecoder().decode(mutated(new TextEncoder().encode(value), below)) : value;
      return [once(12) ? pick(ENVIRONMENT_NAMES) : once(30) ? name.slice(0, -1) : name, changed];
    }));
  const env = layer(3), flags = once(3) ? layer(2) : {};
  const file = once(3)
    ? Object.entries(layer(2)).map(([name, value]) => `${name}=${once(2) ? value : JSON.stringify(value)}\n`).join("")
    : null;
  return textCase(JSON.stringify({ env, flags, file } satisfies Given));
}

function load({ env, flags, file }: Given) {
  return loadSettings({
    flags: new Map(Object.entries(flags)),
    env: { get: (name) => Object.hasOwn(env, name) ? env[name] : undefined, names: () => Object.keys(env) },
    file: file === null ? undefined : { path: "stream.env", content: file },
    readFile: (path) => {
      if (path.length % 2 === 0) throw new Error("no such file");
      return `${path}\n`;
    },
    instanceId: "host-1",
  });
}

/** A value as an operator would write it; by its type, since that is all that is left of the text. */
function written(name: SettingName, value: unknown): string {
  const { placeholder } = settingOf(name).kind;
  if (value === null || value === undefined) return value === null ? "off" : "";
  if (name === "POSTGRES_URL") return urlText(value as PostgresUrl);
  if (name === "START_AT") {
    const start = value as StartAt;
    return start.kind === "timestamp" ? new Date(start.time).toISOString() : start.kind;
  }
  if (name === "BREAKDOWNS" && (value as readonly string[]).length === 0) return "none";
  if (Array.isArray(value)) return value.join(",");
  if (placeholder.startsWith("<duration>")) return formatDuration(value as number);
  return placeholder === "<bytes>" ? formatBytes(value as number) : String(value);
}

function urlText(url: PostgresUrl): string {
  const { hosts, user, password, database, tls, schema, applicationName, connectTimeoutMs } = url;
  const parameters = new URLSearchParams({
    host: hosts.map(({ host }) => host).join(),
    port: hosts.map(({ port }) => port).join(),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(database !== undefined && { dbname: database }),
    ...(tls !== undefined && { sslmode: tls === "verify" ? "verify-full" : tls }),
    ...(schema !== undefined && { currentSchema: schema }),
    ...(applicationName !== undefined && { application_name: applicationName }),
    ...(connectTimeoutMs !== undefined && { connect_timeout: String(connectTimeoutMs / 1000) }),
  });
  return `postgresql://?${parameters}`;
}

const judge: Judge = {
  check(given): Verdict {
    let inputs: Given;
    try {
      inputs = JSON.parse(textOf(given)) as Given;
    } catch {
      return sound("no case");
    }
    let settings: Settings;
    try {
      settings = load(inputs).settings;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      if (error.problems.length === 0 || error.problems.some((problem) => problem === "")) {
        return faulty("refused", "without a problem in words");
      }
      return sound("refused");
    }
    if (Object.keys(settings).join() !== SETTING_NAMES.join()) {
      return faulty("accepted", "not every setting has a value");
    }
    const env: Record<string, string> = Object.fromEntries(
      SETTING_NAMES.map((name) => [name, written(name, settings[name])]),
    );
    const again = load({ env, flags: {}, file: null }).settings;
    for (const name of SETTING_NAMES) {
      const [a, b] = [JSON.stringify(settings[name]), JSON.stringify(again[name])];
      if (a !== b) return faulty("accepted", `${name} is ${a}, written as ${JSON.stringify(env[name])} it is ${b}`);
    }
    return sound("accepted");
  },
};

export const settingsTarget: Target = {
  name: "settings",
  holds:
    "any texts give all settings or one UsageError in words; what is accepted, written again, gives the same values",
  generate,
  open: () => judge,
  shares: { accepted: 0.1, refused: 0.3 },
  testCases: 5_000,
  isWhole: true,
};
