// The table of all settings. Parsing, validation, --help, stream.env and docs/configuration.md come from it. No I/O.
import {
  anyCase,
  boolean,
  bytes,
  decimal,
  duration,
  hostPort,
  integer,
  type Kind,
  kindBy,
  listedName,
  listOf,
  oneOf,
  orWord,
  paths,
  pattern,
  pem,
  startAt,
  text,
} from "./kinds.ts";
import { EVENT_FIELDS_GRAMMAR, type FieldPaths, parseEventFields } from "./event_fields.ts";
import { postgresUrl } from "./postgres.ts";
import { DAY, HOUR, SECOND } from "../units.ts";

/** Groups with their headings, in the order of help and documentation. */
export const SETTING_GROUPS = {
  source: "Source",
  kafka: "Kafka",
  file: "Files",
  demo: "Demo traffic",
  events: "Events",
  windows: "Windows",
  storage: "PostgreSQL and storage",
  commits: "Commits and memory",
  geo: "Places",
  http: "HTTP",
  notify: "Reports and alerts by message",
  process: "Process",
  compose: "Ports of docker-compose.yml",
  legacy: "Kept for older set-ups",
} as const;
export type SettingGroup = keyof typeof SETTING_GROUPS;

/** All groups in that order. */
export const SETTING_GROUP_NAMES = Object.keys(SETTING_GROUPS) as readonly SettingGroup[];

interface Spec {
  readonly group: SettingGroup;
  /** One sentence; names the unit if the value has none. */
  readonly doc: string;
  /** The value is never shown: not in problems, logs or `tidemark config`. */
  readonly secret?: boolean;
  /** `NAME_FILE` may name a file that holds the value. */
  readonly fromFile?: boolean;
  /** A second, shorter flag without its dashes. */
  readonly alias?: string;
  /** The value in `stream.env`, if it differs from the default. */
  readonly example?: string;
  /** Documentation shows this as the default, if the default is computed at start. */
  readonly defaultNote?: string;
  /** The setting has no effect; this notice says so if it is set. */
  readonly ignored?: string;
}

/** One row of the table. */
interface Setting<T = unknown> extends Spec {
  readonly kind: Kind<unknown>;
  /** The default as a user would write it; `undefined` = unset. */
  readonly default: string | undefined;
  /** The caller of `loadSettings` computes the default. */
  readonly computed?: boolean;
  /** Carries the type of the value; never present. */
  readonly type?: T;
}

const setting = <T>(kind: Kind<T>, value: string, spec: Spec): Setting<T> => ({ kind, default: value, ...spec });
const computed = <T>(kind: Kind<T>, spec: Spec): Setting<T> => ({ kind, default: undefined, computed: true, ...spec });
const optional = <T>(kind: Kind<T>, spec: Spec): Setting<T | undefined> => ({ kind, default: undefined, ...spec });

/** Read by docker-compose.yml only. Tidemark's own port there is HTTP_PORT. */
const published = (port: string, server: string) =>
  setting(integer(1, 65_535, "<port>"), port, {
    group: "compose",
    doc: `Port of this machine at which docker-compose.yml publishes ${server}. This program does not read it.`,
  });

const path = text("<path>");
const token = pattern("<token>", "16 to 512 printable ASCII characters without spaces", /^[\x21-\x7e]{16,512}$/);
const origin = pattern(
  "<origin>",
  "an origin such as https://www.example.com (scheme and host, without a path), or *",
  /^(?:\*|https?:\/\/[a-z0-9.[\]:-]+)$/,
);
const webhook = pattern(
  "<url>",
  "an http or https URL without a user, a fragment or spaces",
  /^https?:\/\/[a-z0-9.[\]:-]+(?:[/?][\x21\x22\x24-\x2b\x2d-\x7e]*)?$/i,
);
const email = pattern("<email>", "an e-mail address", /^[^\s@,<>"]{1,64}@[a-z0-9.-]{1,190}$/i);
const smtp = pattern(
  "<url>",
  "smtp://host:port or smtps://host:port, with user:password@ before the host where the server wants one",
  /^smtps?:\/\/(?:[^\s:@/]+:[^\s@/]+@)?[a-z0-9.[\]:-]+$/i,
);
const zone: Kind<string> = kindBy("<zone>", "UTC or an IANA time zone such as Europe/Berlin", (written) => {
  try {
    new Intl.DateTimeFormat("en", { timeZone: written });
    return { value: written };
  } catch {
    return undefined;
  }
});
const eventFields: Kind<FieldPaths> = kindBy("<field:path>,…", EVENT_FIELDS_GRAMMAR, (written) => {
  const paths = parseEventFields(written);
  return typeof paths === "string" ? paths : { value: paths };
});

const SETTINGS = {
  SOURCE: setting(oneOf("kafka", "file", "demo"), "kafka", {
    group: "source",
    doc: "Where events come from: a Kafka topic, access logs or NDJSON files, or a generator for a first look.",
  }),
  START_AT: setting(startAt, "earliest", {
    group: "source",
    doc: "Where a new stream begins; a time means the first record at or after it. Ignored if positions are stored.",
  }),

  KAFKA_URL: setting(listOf(hostPort(9092)), "localhost:9093", {
    group: "kafka",
    doc: "Brokers to connect to first; they name the others.",
  }),
  KAFKA_TOPIC: setting(
    pattern(
      "<topic>",
      "1 to 249 of a-z A-Z 0-9 . _ - (neither . nor ..)",
      /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/,
    ),
    "web_traffic_topic",
    { group: "kafka", doc: "Topic that holds the raw events." },
  ),
  KAFKA_GROUP: setting(text("<group>", 249), "web_traffic_group", {
    group: "kafka",
    doc: "Consumer group that distributes the partitions over instances.",
  }),
  KAFKA_TLS: setting(boolean, "false", { group: "kafka", doc: "Encrypts the connection and verifies the broker." }),
  KAFKA_TLS_CA: optional(pem, {
    group: "kafka",
    doc: "Authority to trust instead of the system's, as PEM text.",
    fromFile: true,
  }),
  KAFKA_TLS_CERT: optional(pem, {
    group: "kafka",
    doc: "Client certificate for mutual TLS, as PEM text.",
    fromFile: true,
  }),
  KAFKA_TLS_KEY: optional(pem, {
    group: "kafka",
    doc: "Key of the client certificate, as PEM text.",
    secret: true,
    fromFile: true,
  }),
  KAFKA_SASL_MECHANISM: setting(
    anyCase(oneOf("none", "plain", "scram-sha-256", "scram-sha-512", "oauthbearer")),
    "none",
    {
      group: "kafka",
      doc: "How to log in to the broker, in any case of letters.",
    },
  ),
  KAFKA_SASL_USERNAME: optional(text("<name>"), { group: "kafka", doc: "User for SASL." }),
  KAFKA_SASL_PASSWORD: optional(text("<password>"), {
    group: "kafka",
    doc: "Password for SASL.",
    secret: true,
    fromFile: true,
  }),
  KAFKA_OAUTH_TOKEN_COMMAND: optional(text("<command>"), {
    group: "kafka",
    doc:
      "With `oauthbearer`: a command that prints a token, or JSON with `access_token`. Blanks separate its words; no shell is used.",
  }),
  KAFKA_OAUTH_TOKEN_URL: optional(
    pattern("<url>", "a URL that begins with https:// or http://", /^https?:\/\/[^\s@]+$/),
    { group: "kafka", doc: "With `oauthbearer`: token endpoint of an identity provider, for client credentials." },
  ),
  KAFKA_OAUTH_CLIENT_ID: optional(text("<id>"), { group: "kafka", doc: "Client id for the token endpoint." }),
  KAFKA_OAUTH_CLIENT_SECRET: optional(text("<secret>"), {
    group: "kafka",
    doc: "Client secret for the token endpoint.",
    secret: true,
    fromFile: true,
  }),
  KAFKA_OAUTH_SCOPE: optional(text("<scope>"), { group: "kafka", doc: "Scope to request from the token endpoint." }),
  KAFKA_OAUTH_EXTENSIONS: optional(
    listOf(
      pattern(
        "<name=value>",
        "name=value of letters, with printable characters in the value",
        /^[A-Za-z]+=[^,\p{C}]+$/u,
      ),
    ),
    { group: "kafka", doc: "SASL extensions that are sent with a token, such as `logicalCluster=lkc-1`." },
  ),
  KAFKA_CHECK_CRCS: setting(boolean, "true", {
    group: "kafka",
    doc: "Check each batch's CRC-32C, so that damaged bytes stop the stream and are not counted.",
  }),
  KAFKA_FETCH_BYTES: setting(bytes(2 ** 12, 2 ** 26), "1MiB", {
    group: "kafka",
    doc: "Most bytes of one partition in one fetch.",
  }),

  FILE_PATH: optional(paths, {
    group: "file",
    doc:
      "Log files for `SOURCE=file`: paths and patterns; each log is a partition. `{host}` in a path gives the host of its lines (`/var/log/nginx/{host}.access.log`).",
  }),
  FILE_FOLLOW: setting(boolean, "true", {
    group: "file",
    doc: "Keep reading while the log grows and rotates, like `tail -F`.",
  }),
  FILE_FORMAT: setting(text("auto|<name>|<format>", 4_096), "auto", {
    group: "file",
    doc:
      "Format of the lines: `auto`, a name (docs/log_files.md), or the server's own format string, as in nginx's `log_format` or Apache's `LogFormat`.",
  }),
  FILE_LAST_LINE: setting(oneOf("leave", "take"), "leave", {
    group: "file",
    doc: "What `run --once` does with a last line without a line end: `leave` it for the next run, or `take` it.",
  }),
  FILE_HOST: optional(text("<host>", 255), {
    group: "file",
    doc: "Host of access-log lines without a virtual-host column.",
    alias: "host",
  }),

  DEMO_SEED: setting(integer(0, 2 ** 32 - 1), "1", { group: "demo", doc: "Equal seeds give equal traffic." }),
  DEMO_PARTITIONS: setting(integer(1, 64), "4", { group: "demo", doc: "Generator shards." }),
  DEMO_HISTORY_DAYS: setting(integer(0, 366), "28", {
    group: "demo",
    doc: "Days of past traffic at the first start.",
  }),
  DEMO_RATE: optional(decimal(0.001, 1_000_000), {
    group: "demo",
    doc: "Mean events per second over all shards.",
    defaultNote: "the generator's own",
  }),

  REFERRER_GRANULARITY: setting(oneOf("raw", "origin", "domain"), "raw", {
    group: "events",
    doc:
      "Which part of a referrer is counted: all of it, scheme and host, or the host without `www.`. Fixed per stream.",
  }),
  KEY_BYTES_MAX: setting(bytes(64, 2 ** 10), "1KiB", {
    group: "events",
    doc:
      "Longest host, referrer or page. A longer one is cut and ends in a hash, so that keys stay distinct. Fixed per stream.",
  }),
  TRUSTED_PROXY_HOPS: setting(integer(0, 16), "0", {
    group: "events",
    doc:
      "Number of trusted proxies in front of the web server: that many addresses at the end of a list are not the visitor's.",
  }),
  EVENT_FIELDS: optional(eventFields, {
    group: "events",
    doc:
      "Paths of the fields of an event in a JSON value. A field that is not named is at the top under its own name. " +
      "Stored with the stream's rules.",
    defaultNote: "the plain names",
  }),
  HOST_ADDRESSES: setting(oneOf("fold", "keep"), "fold", {
    group: "events",
    doc: "fold = hosts that are addresses count as `(address)`; keep = each as itself. Stored with the stream's rules.",
  }),
  BREAKDOWNS: setting(
    orWord(listOf(oneOf("pages", "clients", "campaigns", "visitors")), "none", [] as const),
    "pages,clients,campaigns,visitors",
    {
      group: "events",
      doc:
        "What is counted beside the rows: pages, clients (browser, system, device), campaigns (with the entry channel), " +
        "visitors; or none. What is switched on later counts from then on.",
    },
  ),
  BREAKDOWN_VALUES_MAX: setting(integer(10, 100_000), "1000", {
    group: "events",
    doc:
      "Most values of a breakdown for each host in a window, an hour and a day. The ones with the fewest hits beyond that " +
      "are summed in one value `(other)`.",
  }),
  DEAD_SHARE_MAX: setting(decimal(0, 100), "50", {
    group: "events",
    doc:
      "Percent of records. `run --once` ends with exit code 6 if more of the records that it read, or all of them, were dead letters.",
  }),
  MAX_FUTURE_SKEW: setting(duration(0, DAY), "5m", {
    group: "events",
    doc: "An event whose time is further ahead of its record's time is a dead letter.",
  }),

  WINDOW_SIZE: setting(duration(SECOND, DAY), "5m", {
    group: "windows",
    doc: "Length of a window; must divide a day. Fixed per stream.",
  }),
  WATERMARK_DELAY: setting(duration(0, DAY), "1m", {
    group: "windows",
    doc: "How far behind the newest event of its partition an event may be and still be counted in its window.",
  }),
  IDLE_TIMEOUT: setting(orWord(duration(SECOND, DAY), "off", null), "1m", {
    group: "windows",
    doc: "How long a partition without new events holds windows open; off = until its next event.",
  }),
  FRESHNESS_OBJECTIVE: setting(duration(SECOND, DAY), "3m", {
    group: "windows",
    doc:
      "Target: rows of a window are visible within this time after its end. Metrics show the share of windows that met it.",
  }),
  LATE_POLICY: setting(oneOf("store", "drop"), "store", {
    group: "windows",
    doc: "Store late events in `late_web_traffic`, or drop them and only count them in the ledger.",
  }),

  POSTGRES_URL: optional(postgresUrl, {
    group: "storage",
    doc: "Database server, `postgresql://…` or `jdbc:postgresql://…`; empty = PostgreSQL embedded in `DATA_DIR`.",
    fromFile: true,
    example: "jdbc:postgresql://localhost:5432",
    defaultNote: "embedded",
  }),
  POSTGRES_USER: setting(text("<name>", 63), "postgres", { group: "storage", doc: "User, if the URL names none." }),
  POSTGRES_PASSWORD: optional(text("<password>"), {
    group: "storage",
    doc: "Password, if the URL holds none.",
    secret: true,
    fromFile: true,
    example: "postgres",
  }),
  POSTGRES_DB: setting(text("<name>", 63), "postgres", {
    group: "storage",
    doc: "Database, if the URL names none.",
  }),
  POSTGRES_SCHEMA: setting(
    pattern(
      "<name>",
      "a lower-case name of 1 to 63 letters, digits and _, not beginning with a digit or pg_",
      /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/,
    ),
    "public",
    { group: "storage", doc: "Schema of this stream. A second stream needs another schema." },
  ),
  POSTGRES_TLS: setting(oneOf("auto", "disable", "prefer", "require", "verify-ca", "verify"), "auto", {
    group: "storage",
    doc: "auto = by the URL, else off on this machine and `verify` elsewhere. `require` and `prefer` encrypt without " +
      "verifying the server; `verify-ca` does not check the server's name.",
  }),
  POSTGRES_TLS_CA: optional(pem, {
    group: "storage",
    doc: "Authority to trust instead of the system's, as PEM text.",
    fromFile: true,
  }),
  POSTGRES_TLS_CERT: optional(pem, {
    group: "storage",
    doc: "Client certificate, as PEM text, if the server asks for one.",
    fromFile: true,
  }),
  POSTGRES_TLS_KEY: optional(pem, {
    group: "storage",
    doc: "Key of the client certificate, as PEM text without a passphrase.",
    secret: true,
    fromFile: true,
  }),
  POSTGRES_CONNECTIONS: setting(integer(3, 64), "5", {
    group: "storage",
    doc: "Most connections of this process to PostgreSQL. Each engine after the first (`WORKERS`) takes up to 3 more.",
  }),
  RETENTION_DAYS: optional(integer(1, 36_500), {
    group: "storage",
    doc: "Days of closed windows to keep; unset = all.",
    defaultNote: "all days",
  }),

  COMMIT_INTERVAL: setting(duration(50, HOUR), "1s", {
    group: "commits",
    doc: "Time between commits while a page or the API of this process is in use; longer while catching up.",
  }),
  COMMIT_INTERVAL_UNWATCHED: setting(duration(50, HOUR), "5s", {
    group: "commits",
    doc:
      "Time between commits while neither is in use, if longer than COMMIT_INTERVAL. The numbers of open windows in SQL, in `report` and in `serve` can be this old. Windows that end are committed at once in both cases.",
  }),
  COMMIT_TIMEOUT: setting(duration(SECOND, HOUR), "15s", {
    group: "commits",
    doc:
      "After this time without an answer, a commit is looked up in the database and, if it was not stored, sent again.",
  }),
  MAX_DELTA_KEYS: setting(integer(1, 10_000_000), "200000", {
    group: "commits",
    doc:
      "Keys (window, host, referrer, place) and pairs of breakdowns (window, host, value) in memory before an early commit.",
  }),
  MAX_DELTA_BYTES: setting(bytes(2 ** 20, 2 ** 26), "16MiB", {
    group: "commits",
    doc:
      "Bytes of those keys and their texts, in memory and in a commit, before an early commit; at most 8MiB with the embedded database, 12MiB with several engines.",
  }),
  MAX_DICTIONARY_BYTES: setting(bytes(2 ** 22, 2 ** 30), "64MiB", {
    group: "commits",
    doc:
      "Bytes of hosts, referrers, pages and campaigns that an engine remembers. At this size it commits and forgets them. At most 24MiB with several engines.",
  }),
  MAX_KEYS_PER_WINDOW: setting(integer(1, 100_000_000), "1000000", {
    group: "commits",
    doc: "Most rows of a closed window. The keys with the fewest hits beyond that are summed in one row `(other)`.",
  }),
  MAX_WINDOW_BYTES: setting(bytes(2 ** 20, 2 ** 36), "256MiB", {
    group: "commits",
    doc:
      "Most bytes of the rows of a closed window (64 per row plus its texts). The keys with the fewest hits beyond that are summed in the row `(other)`. At most 32MiB with the embedded database.",
  }),
  WORKERS: setting(orWord<number, "auto">(integer(1, 64), "auto", "auto"), "1", {
    group: "commits",
    doc:
      "Engines in this process; each is a thread and a member of the group. auto = one per processor. More than one needs SOURCE=kafka.",
  }),

  GEO_DATABASE: optional(listOf(path), {
    group: "geo",
    doc: "MMDB file, or one per address family.",
    defaultNote: "the installed one, else countries only",
  }),

  HTTP_HOST: setting(text("<host>", 255), "127.0.0.1", {
    group: "http",
    doc: "Address to listen on. One that other machines can reach needs `API_TOKEN` or `API_PUBLIC=true`.",
  }),
  HTTP_PORT: setting(integer(0, 65_535), "8080", { group: "http", doc: "Port to listen on; 0 = any free one." }),
  HTTP_RATE_LIMIT: setting(orWord<number, null>(integer(1, 100_000), "off", null), "50", {
    group: "http",
    doc: "Requests per second of one client on average (an IPv6 /64 is one client); off = no limit.",
  }),
  HTTP_RATE_BURST: setting(integer(1, 1_000_000), "200", {
    group: "http",
    doc: "Requests that a client may make at once after a pause. A dashboard makes about 15 when it opens.",
  }),
  HTTP_PROXY_HOPS: setting(integer(0, 16), "0", {
    group: "http",
    doc:
      "Number n of trusted proxies in front of this server: the n-th address from the end of X-Forwarded-For is the client's.",
  }),
  API_TOKEN: optional(token, {
    group: "http",
    doc: "Token that readers send as `Authorization: Bearer …` or as the password of HTTP Basic.",
    secret: true,
    fromFile: true,
  }),
  API_ADMIN_TOKEN: optional(token, {
    group: "http",
    doc: "Token for requests that only operators may make.",
    secret: true,
    fromFile: true,
  }),
  API_PUBLIC: setting(boolean, "false", {
    group: "http",
    doc: "Answer readers without a token, also on an address that other machines can reach.",
  }),
  API_PUBLIC_METRICS: setting(boolean, "false", {
    group: "http",
    doc: "Answer `/metrics` without a token, for scrapers that cannot send one. Use it only on a private network.",
  }),
  API_CHART_TOKEN: optional(token, {
    group: "http",
    doc: "Token for `/v1/charts` only; pages that embed a chart send it as `?token=…`.",
    secret: true,
    fromFile: true,
  }),
  API_SHARE_TOKEN: optional(token, {
    group: "http",
    doc: "Token of share links: `/?share=…` opens only the overview with its reports and charts.",
    secret: true,
    fromFile: true,
  }),
  API_CORS_ORIGINS: optional(listOf(origin), {
    group: "http",
    doc: "Origins whose web pages may read the API, such as `https://www.example.com`; `*` = any.",
    defaultNote: "none",
  }),

  NOTIFY_WEBHOOKS: optional(listOf(webhook), {
    group: "notify",
    doc: "Addresses that are sent reports and alerts as JSON with a `text`, as Slack, Mattermost and Teams take it.",
    defaultNote: "none",
    secret: true,
    fromFile: true,
  }),
  NOTIFY_EMAILS: optional(listOf(email), {
    group: "notify",
    doc: "Addresses that are sent reports and alerts by e-mail; needs `SMTP_URL` and `SMTP_FROM`.",
    defaultNote: "none",
  }),
  NOTIFY_REPORT: setting(oneOf("off", "daily", "weekly", "monthly"), "weekly", {
    group: "notify",
    doc: "How often a report is sent: of each day, of each week from Monday to Sunday, or of each month.",
  }),
  NOTIFY_VIEWS: optional(listOf(listedName("<view>", 80)), {
    group: "notify",
    doc: "Saved views that reports are about, by name, each in a report of its own; `*` = the whole stream.",
    defaultNote: "the whole stream",
  }),
  NOTIFY_ALERT: setting(orWord<number, null>(decimal(0.1, 100), "off", null), "1", {
    group: "notify",
    doc:
      "Sends an alert for a day that lies further from its forecast than so many times its band; 1 = it leaves the band, as about 20 of 100 days do.",
  }),
  NOTIFY_TIMEZONE: setting(zone, "UTC", { group: "notify", doc: "Time zone of the days of reports and alerts." }),
  NOTIFY_LINK: optional(webhook, {
    group: "notify",
    doc: "Address of the dashboard, for the link in messages.",
    defaultNote: "no link",
  }),
  SMTP_URL: optional(smtp, {
    group: "notify",
    doc: "Mail server; smtps = TLS from the start, smtp = TLS where the server offers it.",
    secret: true,
    fromFile: true,
  }),
  SMTP_FROM: optional(email, { group: "notify", doc: "Sender of e-mails." }),

  DATA_DIR: setting(path, ".tidemark", {
    group: "process",
    doc: "Folder for the embedded database, the installed place database and this instance's lock.",
  }),
  LOG_LEVEL: setting(oneOf("debug", "info", "warn", "error"), "info", {
    group: "process",
    doc: "Lowest level logged.",
  }),
  LOG_FORMAT: setting(oneOf("auto", "json", "text"), "auto", {
    group: "process",
    doc: "auto = text on a terminal, else one JSON object per line. Logs go to standard error.",
  }),
  SHUTDOWN_TIMEOUT: setting(duration(SECOND, HOUR), "20s", {
    group: "process",
    doc: "How long a stop may take: the last commit, and leaving the group. A second signal exits at once.",
  }),
  INSTANCE_ID: computed(text("<name>", 128), {
    group: "process",
    doc: "Name of this process in checkpoints and logs.",
    defaultNote: "host name and process id",
  }),

  PUBLISHED_KAFKA_PORT: published("9093", "Kafka"),
  PUBLISHED_POSTGRES_PORT: published("5432", "PostgreSQL"),
  PUBLISHED_PGADMIN_PORT: published("5050", "pgAdmin"),
  PUBLISHED_PROMETHEUS_PORT: published("9090", "Prometheus"),
  PUBLISHED_GRAFANA_PORT: published("3000", "Grafana"),

  PGADMIN_DEFAULT_EMAIL: optional(text("<email>", 255), {
    group: "legacy",
    doc: "For docker-compose.yml (its `tools` profile). This program does not read it.",
    example: "admin@example.com",
  }),
  PGADMIN_DEFAULT_PASSWORD: optional(text("<password>"), {
    group: "legacy",
    doc: "For docker-compose.yml (its `tools` profile). This program does not read it.",
    secret: true,
    example: "admin",
  }),
  IP_CODING_KEY: optional(text("<key>"), {
    group: "legacy",
    doc: "Key of a former look-up service; it has no effect.",
    secret: true,
    ignored: "IP_CODING_KEY is not used: places come from a file, and no address leaves this machine.",
  }),
} as const satisfies Readonly<Record<string, Setting>>;

/** The name of a setting; also its environment variable. */
export type SettingName = keyof typeof SETTINGS;

/** All settings with their values, by name. */
export type Settings = {
  readonly [N in SettingName]: typeof SETTINGS[N] extends Setting<infer T> ? T : never;
};

/** All names in the table's order. */
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

export const settingOf = (name: SettingName): Setting => SETTINGS[name];

/** The names of the settings in `groups`, in the table's order. */
export const settingsOf = (...groups: readonly SettingGroup[]): readonly SettingName[] =>
  SETTING_NAMES.filter((name) => groups.includes(settingOf(name).group));

export const isSettingName = (name: string): name is SettingName => Object.hasOwn(SETTINGS, name);

/** The flag of a setting: `KAFKA_URL` → `--kafka-url`. */
export const flagOf = (name: string): string => `--${name.toLowerCase().replaceAll("_", "-")}`;

/** All environment variables of the settings, with their `_FILE` forms; `--allow-env` must grant them. */
export const ENVIRONMENT_NAMES: readonly string[] = SETTING_NAMES.flatMap((name) =>
  settingOf(name).fromFile ? [name, `${name}_FILE`] : [name]
);
