// The forms of POSTGRES_URL, and what its neighbours add to it.
import { assertEquals, assertNotMatch } from "@std/assert";
import { defaultSettings } from "../../../src/shared/config/load.ts";
import { parseValue } from "../../../src/shared/config/kinds.ts";
import {
  type PostgresTarget,
  postgresTarget,
  postgresUrl,
  showPostgresUrl,
} from "../../../src/shared/config/postgres.ts";
import type { Settings } from "../../../src/shared/config/settings.ts";

function read(url: string) {
  const parsed = parseValue(postgresUrl, url);
  if (!parsed.ok) throw new Error(`${url}: ${parsed.problem}`);
  return parsed.value;
}

const target = (url: string, overrides: Partial<Settings> = {}) =>
  postgresTarget({ ...defaultSettings(), POSTGRES_URL: read(url), ...overrides });

const LOCAL = {
  kind: "server",
  host: "localhost",
  port: 5432,
  user: "postgres",
  database: "postgres",
  tls: "disable",
} as const;

Deno.test("postgresTarget() understands every usual form of a URL", () => {
  const cases: Readonly<Record<string, PostgresTarget>> = {
    "postgresql://localhost": LOCAL,
    "postgres://localhost:5432/": LOCAL,
    "jdbc:postgresql://localhost:5432": LOCAL,
    "jdbc:postgresql://localhost:5432/": LOCAL,
    "JDBC:postgresql://localhost:5432/web": { ...LOCAL, database: "web" },
    "jdbc:postgresql:web": { ...LOCAL, database: "web" },
    "jdbc:postgresql:/": LOCAL,
    "jdbc:postgresql:///web": { ...LOCAL, database: "web" },
    "jdbc:postgresql://localhost/web?user=fred&password=s%26cret&ssl=false": {
      ...LOCAL,
      database: "web",
      user: "fred",
      password: "s&cret",
    },
    "postgresql://fred:p%40ss@localhost:6000/web": {
      ...LOCAL,
      port: 6000,
      user: "fred",
      password: "p@ss",
      database: "web",
    },
    "postgresql://[::1]:6000/web": { ...LOCAL, host: "::1", port: 6000, database: "web" },
    "postgresql:///web?host=/var/run/postgresql": { ...LOCAL, host: "/var/run/postgresql", database: "web" },
    "postgresql://?host=db.example.com&port=6000&dbname=web&user=fred": {
      ...LOCAL,
      host: "db.example.com",
      port: 6000,
      database: "web",
      user: "fred",
      tls: "verify",
    },
  };
  for (const [url, expected] of Object.entries(cases)) assertEquals(target(url), expected, url);
});

Deno.test("postgresUrl refuses what names no single PostgreSQL server", () => {
  const cases = [
    "mysql://localhost/web",
    "localhost:5432",
    "postgresql://a:1,b:2/web",
    "postgresql://?host=a,b",
    "postgresql://localhost:0/",
    "postgresql://localhost:70000/",
    "postgresql://localhost/a/b",
    "postgresql://localhost/%zz",
    "postgresql://localhost/?sslmode=maybe",
    "jdbc:",
  ];
  for (const url of cases) assertEquals(parseValue(postgresUrl, url).ok, false, url);
});

Deno.test("postgresTarget() verifies the server's certificate elsewhere unless somebody wrote otherwise", () => {
  const tls = (url: string, POSTGRES_TLS: Settings["POSTGRES_TLS"] = "auto") => {
    const found = target(url, { POSTGRES_TLS });
    return found.kind === "server" ? found.tls : found.kind;
  };
  assertEquals(tls("postgresql://127.0.0.1"), "disable");
  assertEquals(tls("postgresql://db.example.com"), "verify");
  assertEquals(tls("postgresql://10.0.0.5"), "verify");
  assertEquals(tls("jdbc:postgresql://db.example.com/?ssl=true"), "verify");
  assertEquals(tls("postgresql://db.example.com/?sslmode=verify-full"), "verify");
  assertEquals(tls("postgresql://db.example.com/?sslmode=verify-ca"), "verify");
  assertEquals(tls("postgresql://db.example.com/?sslmode=require"), "require");
  assertEquals(tls("postgresql://db.example.com/?sslmode=prefer"), "prefer");
  assertEquals(tls("postgresql://db.example.com/?sslmode=disable"), "disable");
  assertEquals(tls("postgresql://db.example.com/?sslmode=disable", "verify"), "verify");
  assertEquals(tls("postgresql://localhost", "require"), "require");
});

Deno.test("postgresTarget() lets the URL win over its neighbours and is embedded without one", () => {
  const neighbours = { POSTGRES_USER: "u", POSTGRES_PASSWORD: "p", POSTGRES_DB: "d", POSTGRES_TLS_CA: "pem" };
  assertEquals(target("postgresql://localhost", neighbours), {
    ...LOCAL,
    user: "u",
    password: "p",
    database: "d",
    ca: "pem",
  });
  assertEquals(target("postgresql://a:b@localhost/c", neighbours), {
    ...LOCAL,
    user: "a",
    password: "b",
    database: "c",
    ca: "pem",
  });
  assertEquals(postgresTarget({ ...defaultSettings(), ...neighbours }), { kind: "embedded" });
});

Deno.test("showPostgresUrl() writes a URL that reads back as the same, without the password", () => {
  for (
    const url of [
      "postgresql://localhost",
      "jdbc:postgresql://[::1]:1/web?sslmode=require",
      "postgresql:///w?host=/run",
    ]
  ) {
    assertEquals(read(showPostgresUrl(read(url))), read(url));
  }
  const shown = showPostgresUrl(read("jdbc:postgresql://h/web?user=fred&password=canary"));
  assertEquals(shown, "postgresql://fred:***@h:5432/web");
  assertNotMatch(shown, /canary/);
});
