// Conditions between settings, each with its reason. No I/O.
import { isLoopback } from "./hosts.ts";
import { formatDuration } from "./kinds.ts";
import { postgresTarget } from "./postgres.ts";
import type { SettingGroup, SettingName, Settings } from "./settings.ts";
import { DAY, type DurationMs, durationMs, SECOND } from "../units.ts";

/**
 * How often the topic's metadata are read. Windows may close without a new partition until we know of it. Two reads per watermark delay find
 * it before a window of its first events can close.
 */
export function metadataRefresh(settings: Pick<Settings, "WATERMARK_DELAY">): DurationMs {
  return durationMs(Math.min(10 * SECOND, settings.WATERMARK_DELAY / 2));
}

/** Metadata are requested at most once a second: lower bound of {@link metadataRefresh}. */
const METADATA_REFRESH_MIN = SECOND;

interface Relation {
  /** Checked if the command uses this group. */
  readonly group: SettingGroup;
  /** Skipped if one of these has no valid value. */
  readonly reads: readonly SettingName[];
  /** The problem in words, without the value of a secret. */
  readonly problem: (settings: Settings) => string | undefined | false;
}

const OAUTH: readonly SettingName[] = [
  "KAFKA_SASL_MECHANISM",
  "KAFKA_OAUTH_TOKEN_COMMAND",
  "KAFKA_OAUTH_TOKEN_URL",
  "KAFKA_OAUTH_CLIENT_ID",
  "KAFKA_OAUTH_CLIENT_SECRET",
];

/** Violations end with exit code 2. */
const RELATIONS: readonly Relation[] = [
  {
    // Reports consist of days, and a window across midnight would belong to two.
    group: "windows",
    reads: ["WINDOW_SIZE"],
    problem: (s) =>
      DAY % s.WINDOW_SIZE !== 0 && `WINDOW_SIZE must divide a day: current value is ${formatDuration(s.WINDOW_SIZE)}`,
  },
  {
    group: "windows",
    reads: ["SOURCE", "WATERMARK_DELAY"],
    problem: (s) =>
      s.SOURCE === "kafka" && metadataRefresh(s) < METADATA_REFRESH_MIN &&
      `WATERMARK_DELAY must be at least 2s with SOURCE=kafka, or the first events of an added partition would be late: current value is ${
        formatDuration(s.WATERMARK_DELAY)
      }`,
  },
  {
    // A log file and a generator have one reader, by a lease. A second engine would only wait for the lease.
    group: "commits",
    reads: ["SOURCE", "WORKERS"],
    problem: (s) =>
      s.SOURCE !== "kafka" && typeof s.WORKERS === "number" && s.WORKERS > 1 &&
      `WORKERS above 1 needs SOURCE=kafka, whose partitions can be shared: current value is ${s.WORKERS} with SOURCE=${s.SOURCE}`,
  },
  {
    group: "file",
    reads: ["SOURCE", "FILE_PATH"],
    problem: (s) => s.SOURCE === "file" && s.FILE_PATH === undefined && "FILE_PATH is required with SOURCE=file",
  },
  {
    group: "kafka",
    reads: ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"],
    problem: (s) =>
      s.KAFKA_SASL_MECHANISM !== "none" && s.KAFKA_SASL_MECHANISM !== "oauthbearer" &&
      (s.KAFKA_SASL_USERNAME === undefined || s.KAFKA_SASL_PASSWORD === undefined) &&
      `KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are required with KAFKA_SASL_MECHANISM=${s.KAFKA_SASL_MECHANISM}`,
  },
  {
    // Otherwise the connection would silently be anonymous.
    group: "kafka",
    reads: ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"],
    problem: (s) =>
      (s.KAFKA_SASL_MECHANISM === "none" || s.KAFKA_SASL_MECHANISM === "oauthbearer") &&
      (s.KAFKA_SASL_USERNAME !== undefined || s.KAFKA_SASL_PASSWORD !== undefined) &&
      "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD need a KAFKA_SASL_MECHANISM that has a password (plain, scram-sha-…)",
  },
  {
    group: "kafka",
    reads: [...OAUTH],
    problem: (s) => {
      const endpoint = [s.KAFKA_OAUTH_TOKEN_URL, s.KAFKA_OAUTH_CLIENT_ID, s.KAFKA_OAUTH_CLIENT_SECRET];
      const given = endpoint.filter((value) => value !== undefined).length;
      const complete = s.KAFKA_OAUTH_TOKEN_COMMAND === undefined ? given === endpoint.length : given === 0;
      if (s.KAFKA_SASL_MECHANISM === "oauthbearer") {
        return !complete &&
          "KAFKA_SASL_MECHANISM=oauthbearer needs either KAFKA_OAUTH_TOKEN_COMMAND, or all of KAFKA_OAUTH_TOKEN_URL, KAFKA_OAUTH_CLIENT_ID and KAFKA_OAUTH_CLIENT_SECRET";
      }
      return (given > 0 || s.KAFKA_OAUTH_TOKEN_COMMAND !== undefined) &&
        "KAFKA_OAUTH_… settings need KAFKA_SASL_MECHANISM=oauthbearer";
    },
  },
  together("kafka", "KAFKA_TLS_CERT", "KAFKA_TLS_KEY"),
  {
    // Otherwise the connection would not be encrypted although a certificate is given.
    group: "kafka",
    reads: ["KAFKA_TLS", "KAFKA_TLS_CA", "KAFKA_TLS_CERT"],
    problem: (s) =>
      !s.KAFKA_TLS && (s.KAFKA_TLS_CA !== undefined || s.KAFKA_TLS_CERT !== undefined) &&
      "KAFKA_TLS_CA and KAFKA_TLS_CERT need KAFKA_TLS=true",
  },
  {
    group: "storage",
    reads: ["POSTGRES_URL", "POSTGRES_TLS", "POSTGRES_TLS_CA", "POSTGRES_TLS_CERT", "POSTGRES_TLS_KEY"],
    problem: (s) => {
      const target = postgresTarget(s);
      const tls = target.kind === "embedded" ? "disable" : target.tls;
      return (s.POSTGRES_TLS_CA !== undefined && tls !== "verify" && tls !== "verify-ca" &&
        "POSTGRES_TLS_CA needs POSTGRES_TLS=verify (or verify-ca) and a POSTGRES_URL") ||
        (s.POSTGRES_TLS_CERT !== undefined && tls === "disable" &&
          "POSTGRES_TLS_CERT needs a POSTGRES_TLS other than disable and a POSTGRES_URL");
    },
  },
  together("storage", "POSTGRES_TLS_CERT", "POSTGRES_TLS_KEY"),
  {
    // Otherwise rows would go to another schema than the URL's.
    group: "storage",
    reads: ["POSTGRES_URL", "POSTGRES_SCHEMA"],
    problem: (s) =>
      s.POSTGRES_URL?.schema !== undefined && s.POSTGRES_URL.schema !== s.POSTGRES_SCHEMA &&
      `POSTGRES_URL names the schema ${
          JSON.stringify(s.POSTGRES_URL.schema)
        }, POSTGRES_SCHEMA is ${s.POSTGRES_SCHEMA}: ` +
        "set POSTGRES_SCHEMA to the schema that you want",
  },
  {
    // A public address needs a token or API_PUBLIC=true.
    group: "http",
    reads: ["HTTP_HOST", "API_TOKEN", "API_PUBLIC"],
    problem: (s) =>
      !isLoopback(s.HTTP_HOST) && s.API_TOKEN === undefined && !s.API_PUBLIC &&
      `API_TOKEN (or API_PUBLIC=true) is required, because other machines can reach HTTP_HOST=${s.HTTP_HOST}`,
  },
  {
    // A token that is passed on must not give more rights than its own.
    group: "http",
    reads: ["API_TOKEN", "API_ADMIN_TOKEN", "API_CHART_TOKEN", "API_SHARE_TOKEN"],
    problem: (s) => {
      const wider = [s.API_TOKEN, s.API_ADMIN_TOKEN];
      if (s.API_CHART_TOKEN !== undefined && [...wider, s.API_SHARE_TOKEN].includes(s.API_CHART_TOKEN)) {
        return "API_CHART_TOKEN must differ from the other tokens";
      }
      return s.API_SHARE_TOKEN !== undefined && wider.includes(s.API_SHARE_TOKEN) &&
        "API_SHARE_TOKEN must differ from the other tokens";
    },
  },
  {
    group: "notify",
    reads: ["NOTIFY_EMAILS", "SMTP_URL", "SMTP_FROM"],
    problem: (s) =>
      s.NOTIFY_EMAILS !== undefined && (s.SMTP_URL === undefined || s.SMTP_FROM === undefined) &&
      "SMTP_URL and SMTP_FROM are required with NOTIFY_EMAILS",
  },
  {
    // The last commit needs its whole time; otherwise its outcome may be unknown until the next start.
    group: "commits",
    reads: ["COMMIT_TIMEOUT", "SHUTDOWN_TIMEOUT"],
    problem: (s) =>
      s.SHUTDOWN_TIMEOUT <= s.COMMIT_TIMEOUT &&
      `SHUTDOWN_TIMEOUT must be longer than COMMIT_TIMEOUT: current values are ${
        formatDuration(s.SHUTDOWN_TIMEOUT)
      } and ${formatDuration(s.COMMIT_TIMEOUT)}`,
  },
];

function together(group: SettingGroup, one: SettingName, other: SettingName): Relation {
  return {
    group,
    reads: [one, other],
    problem: (s) => (s[one] === undefined) !== (s[other] === undefined) && `${one} and ${other} must be given together`,
  };
}

/** The violations among the settings in `groups`. Relations that read a name in `invalid` are skipped. */
export function relationProblems(
  settings: Settings,
  groups: ReadonlySet<SettingGroup>,
  invalid: ReadonlySet<SettingName>,
): readonly string[] {
  return RELATIONS
    .filter(({ group, reads }) => groups.has(group) && !reads.some((name) => invalid.has(name)))
    .flatMap(({ problem }) => problem(settings) || []);
}

/** Notices at start about allowed but unusual combinations. */
export function relationNotices(settings: Settings, groups: ReadonlySet<SettingGroup>): readonly string[] {
  const notices: string[] = [];
  const remote = settings.KAFKA_URL.some((broker) => !isLoopback(broker.replace(/:\d+$/, "")));
  const { KAFKA_SASL_MECHANISM: mechanism } = settings;
  if (groups.has("kafka") && (mechanism === "plain" || mechanism === "oauthbearer") && !settings.KAFKA_TLS && remote) {
    const secret = mechanism === "plain" ? "password" : "token";
    notices.push(`KAFKA_SASL_MECHANISM=${mechanism} without KAFKA_TLS sends the ${secret} in clear.`);
  }
  if (groups.has("http") && settings.API_TOKEN !== undefined && settings.API_PUBLIC) {
    notices.push("With API_PUBLIC=true readers need no token, although API_TOKEN is set.");
  }
  return notices;
}
