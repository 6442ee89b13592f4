import { assert, assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/shared/errors.ts";
import { defaultSettings } from "../support/settings.ts";
import { parseValue } from "../../src/shared/config/kinds.ts";
import { postgresUrl } from "../../src/shared/config/postgres.ts";
import { genericPermissions, permissionFlags, scopedPermissions } from "../../tools/permissions.ts";
import { ENVIRONMENT_NAMES, type Settings } from "../../src/shared/config/settings.ts";

const absolute = (path: string) => path.startsWith("/") ? path : `/srv/${path}`;
const scoped = (over: Partial<Settings>) => scopedPermissions(defaultSettings(over), { absolute });
const url = (text: string) => {
  const parsed = parseValue(postgresUrl, text);
  assert(parsed.ok);
  return parsed.value;
};

Deno.test("scopedPermissions() names brokers, database, the address of HTTP, and one folder to write", () => {
  const { net, read, write } = scoped({
    KAFKA_URL: ["b1:9092", "b2:9092"],
    POSTGRES_URL: url("postgresql://u:p@db.example:5433/x"),
    GEO_DATABASE: ["city.mmdb"],
  });
  assertEquals(net, ["127.0.0.1:8080", "b1:9092", "b2:9092", "db.example:5433"]);
  assertEquals([read, write], [["/srv/.tidemark", "/srv/city.mmdb"], ["/srv/.tidemark"]]);
});

Deno.test("scopedPermissions() follows the source, the embedded database and a Unix socket", () => {
  const file = scoped({ SOURCE: "file", FILE_PATH: ["/var/log/nginx/access*.log*"] });
  assertEquals([file.net, file.read], [["127.0.0.1:8080", "127.0.0.1"], ["/srv/.tidemark", "/var/log/nginx"]]);
  assertEquals(scoped({ SOURCE: "file", FILE_PATH: ["log"] }).read.at(-1), "/srv");
  const socket = scoped({ SOURCE: "demo", POSTGRES_URL: url("postgresql:///x?host=/run/postgresql&user=u") });
  assertEquals([socket.net, socket.write], [["127.0.0.1:8080"], ["/srv/.tidemark", "/run/postgresql"]]);
});

Deno.test("scopedPermissions() never grants the root folder, whatever its spelling", () => {
  for (
    const over of [
      ...["/access.log", "/*.log", "/*/access.log", "//access.log", "/./access.log", "/var/../access.log"].map((
        path,
      ) => ({
        SOURCE: "file" as const,
        FILE_PATH: [path],
      })),
      { DATA_DIR: "/" },
      { GEO_DATABASE: ["/a/.."] },
      { POSTGRES_URL: url("postgresql:///x?host=/&user=u") },
    ]
  ) {
    const { message } = assertThrows(() => scoped(over), UsageError, "root folder");
    assert(message.startsWith(Object.keys(over).at(-1)!), message);
  }
  assertEquals(scoped({ SOURCE: "file", FILE_PATH: ["//var//log/*.log"] }).read.at(-1), "/var/log");
});

Deno.test("scopedPermissions() lets health ask a process that listens on every interface", () => {
  const net = (host: string) =>
    scoped({ SOURCE: "demo", HTTP_HOST: host, POSTGRES_URL: url("postgresql://h:1/x") }).net;
  assertEquals(net("0.0.0.0"), ["0.0.0.0:8080", "127.0.0.1:8080", "h:1"]);
  assertEquals(net("::"), ["[::]:8080", "[::1]:8080", "h:1"]);
});

Deno.test("permissionFlags() never grants run, ffi, sys or import, and cannot be widened by a comma in a path", () => {
  const generic = permissionFlags(genericPermissions(defaultSettings({ DATA_DIR: "data" }), { absolute }));
  const narrow = permissionFlags(scoped({ DATA_DIR: "/a,/etc" }));
  for (const flags of [generic, narrow]) {
    assertEquals(flags.filter((flag) => !/^--(no-prompt$|allow-(net|read|write|env)\b)/.test(flag)), []);
    for (const name of ENVIRONMENT_NAMES) {
      assert(flags.at(-1)!.slice("--allow-env=".length).split(",").includes(name), name);
    }
  }
  assertEquals(generic.slice(0, 4), ["--no-prompt", "--allow-net", "--allow-read", "--allow-write=/srv/data"]);
  assertEquals(narrow[3], "--allow-write=/a,,/etc");
});

Deno.test("the token command is the one program that may be run, and the token endpoint may be reached", () => {
  const base = { SOURCE: "kafka", KAFKA_SASL_MECHANISM: "oauthbearer" } as const;
  const command = { ...base, KAFKA_OAUTH_TOKEN_COMMAND: "/usr/local/bin/token --audience kafka" };
  const expected = "--allow-run=/usr/local/bin/token";
  assertEquals(permissionFlags(scoped(command)).at(-1), expected);
  assertEquals(permissionFlags(genericPermissions(defaultSettings(command), { absolute })).at(-1), expected);
  assert(scoped({ ...base, KAFKA_OAUTH_TOKEN_URL: "https://id.example/token" }).net.includes("id.example:443"));
  assert(!permissionFlags(scoped({ ...command, KAFKA_SASL_MECHANISM: "none" })).some((flag) => flag.includes("run")));
});

Deno.test("scopedPermissions() names where reports and alerts go, and no mail server that is not used", () => {
  const base = new Set(scoped({}).net);
  const added = (over: Partial<Settings>) => [...scoped(over).net].filter((one) => !base.has(one));
  const webhooks = ["https://hooks.slack.com/services/x", "http://10.1.2.3:8065/hooks/y"];
  assertEquals(added({ NOTIFY_WEBHOOKS: webhooks }), ["hooks.slack.com:443", "10.1.2.3:8065"]);
  const SMTP_URL = "smtp://me:secret@mail.example.com";
  assertEquals(added({ SMTP_URL }), []);
  assertEquals(added({ NOTIFY_EMAILS: ["a@example.com"], SMTP_URL }), ["mail.example.com:587"]);
});
