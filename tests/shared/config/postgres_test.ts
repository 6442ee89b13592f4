// The forms of POSTGRES_URL, and what its neighbours add to it.
import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { defaultSettings } from "../../support/settings.ts";
import { parseValue } from "../../../src/shared/config/kinds.ts";
import {
  type PostgresTarget,
  postgresTarget,
  postgresUrl,
  showPostgresUrl,
} from "../../../src/shared/config/postgres.ts";
import { FIXED, HONOURED, REFUSED } from "../../../src/shared/config/postgres_parameters.ts";
import { relationProblems } from "../../../src/shared/config/relations.ts";
import type { Settings } from "../../../src/shared/config/settings.ts";

function read(url: string) {
  const parsed = parseValue(postgresUrl, url);
  if (!parsed.ok) throw new Error(`${url}: ${parsed.problem}`);
  return parsed.value;
}

function problemOf(url: string): string {
  const parsed = parseValue(postgresUrl, url);
  return parsed.ok ? "accepted" : parsed.problem;
}

const target = (url: string, overrides: Partial<Settings> = {}) =>
  postgresTarget({ ...defaultSettings(), POSTGRES_URL: read(url), ...overrides });

const LOCAL = {
  kind: "server",
  hosts: [{ host: "localhost", port: 5432 }],
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
      hosts: [{ host: "localhost", port: 6000 }],
      user: "fred",
      password: "p@ss",
      database: "web",
    },
    "postgresql://[::1]:6000/web": { ...LOCAL, hosts: [{ host: "::1", port: 6000 }], database: "web" },
    ...Object.fromEntries(
      [
        "postgresql:///web?host=/var/run/postgresql",
        "postgresql://fred:pw@/web?host=/var/run/postgresql",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/web",
        "postgresql://fred:pw@%2Fvar%2Frun%2Fpostgresql:5432/web",
        "postgresql:///web?host=%2Fvar%2Frun%2Fpostgresql&port=5432",
        "postgresql://ignored.example.com/web?host=/var/run/postgresql",
      ].map((url) => [url, {
        ...LOCAL,
        hosts: [{ host: "/var/run/postgresql", port: 5432 }],
        database: "web",
        ...(url.includes("fred") && { user: "fred", password: "pw" }),
      }]),
    ),
    "postgresql://a.example.com,b.example.com:6000/web?target_session_attrs=read-write": {
      ...LOCAL,
      hosts: [{ host: "a.example.com", port: 5432 }, { host: "b.example.com", port: 6000 }],
      database: "web",
      tls: "verify",
    },
    "jdbc:postgresql://a:1,[::1]:2/?targetServerType=primary&ssl=false": {
      ...LOCAL,
      hosts: [{ host: "a", port: 1 }, { host: "::1", port: 2 }],
      tls: "disable",
    },
    "postgresql:///web?host=a,/run/b&port=1,2&sslmode=disable": {
      ...LOCAL,
      hosts: [{ host: "a", port: 1 }, { host: "/run/b", port: 2 }],
      database: "web",
    },
    "postgresql://localhost?application_name=shop&connect_timeout=3": {
      ...LOCAL,
      applicationName: "shop",
      connectTimeoutMs: 3000,
    },
    "jdbc:postgresql://localhost/web?user=bob@server&password=a@b": {
      ...LOCAL,
      database: "web",
      user: "bob@server",
      password: "a@b",
    },
    "postgresql://?host=db.example.com&port=6000&dbname=web&user=fred": {
      ...LOCAL,
      hosts: [{ host: "db.example.com", port: 6000 }],
      database: "web",
      user: "fred",
      tls: "verify",
    },
  };
  for (const [url, expected] of Object.entries(cases)) assertEquals(target(url), expected, url);
});

Deno.test("postgresUrl refuses what names no PostgreSQL server", () => {
  const cases = [
    "mysql://localhost/web",
    "localhost:5432",
    "postgresql://?host=a,b&port=1,2,3",
    "postgresql://?host=@abstract",
    "postgresql://::1/web",
    "postgresql://localhost:0/",
    "postgresql://localhost:70000/",
    "postgresql://localhost/a/b",
    "postgresql://localhost/%zz",
    "postgresql://localhost/?sslmode=maybe",
    "jdbc:",
  ];
  for (const url of cases) assertEquals(parseValue(postgresUrl, url).ok, false, url);
});

Deno.test("postgresTarget() verifies the server's certificate elsewhere unless a setting or the URL says otherwise", () => {
  const tls = (url: string, POSTGRES_TLS: Settings["POSTGRES_TLS"] = "auto") => {
    const found = target(url, { POSTGRES_TLS });
    return found.kind === "server" ? found.tls : found.kind;
  };
  assertEquals(tls("postgresql://127.0.0.1"), "disable");
  assertEquals(tls("postgresql://db.example.com"), "verify");
  assertEquals(tls("postgresql://10.0.0.5"), "verify");
  assertEquals(tls("jdbc:postgresql://db.example.com/?ssl=true"), "verify");
  assertEquals(tls("postgresql://db.example.com/?sslmode=verify-full"), "verify");
  assertEquals(tls("postgresql://db.example.com/?sslmode=verify-ca"), "verify-ca");
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
      "postgresql://a:1,b:2/w?sslmode=verify-ca",
    ]
  ) {
    assertEquals(read(showPostgresUrl(read(url))), read(url));
  }
  const shown = showPostgresUrl(read("jdbc:postgresql://h/web?user=fred&password=canary"));
  assertEquals(shown, "postgresql://fred:***@h:5432/web");
  assertNotMatch(shown, /canary/);
});

Deno.test("postgresUrl refuses special characters of a password that are not encoded, and shows none of it", () => {
  for (
    const password of [
      "2024?canary",
      "2024#canary",
      "2024/canary",
      "canary@x",
      "?canary",
      "/canary",
      "a?b=canary",
      "a?b&canary",
    ]
  ) {
    for (const prefix of ["", "jdbc:"]) {
      const parsed = parseValue(postgresUrl, `${prefix}postgresql://tidemark:${password}@db/traffic`);
      const problem = parsed.ok ? "accepted" : parsed.problem;
      assertMatch(problem, /percent-encoded.*%23/, password);
      assertNotMatch(problem, /canary|2024/, password);
    }
  }
  assertMatch(problemOf("postgresql://tidemark:100%@db/traffic"), /percent-encoded/);
});

Deno.test("postgresUrl honours each parameter of libpq and JDBC, or refuses it by name", () => {
  for (const name of Object.keys(REFUSED)) {
    assertMatch(problemOf(`postgresql://localhost/?${name}=canary`), new RegExp(`the parameter ${name}: `));
  }
  for (const [name, [value]] of Object.entries(FIXED)) {
    read(`postgresql://localhost/?${name}=${value}`);
    assertMatch(problemOf(`postgresql://localhost/?${name}=canary`), new RegExp(name));
  }
  for (const name of ["nosuch", "Sslmode"]) {
    assertMatch(problemOf(`postgresql://localhost/?${name}=1`), new RegExp(name));
  }
  for (const target of ["standby", "read-only", "prefer-standby", "secondary", "preferSecondary"]) {
    assertMatch(problemOf(`postgresql://a,b/?target_session_attrs=${target}`), /primary/, target);
  }
  assertMatch(problemOf("postgresql://localhost/?sslmode=require&sslmode=disable"), /once/);
  assertMatch(problemOf("postgresql://localhost/?options=-c%20work_mem%3D64MB"), /work_mem/);
  assertMatch(problemOf("postgresql://localhost/?options=-csearch_path%3Da,b"), /one schema/);
});

Deno.test("a schema in POSTGRES_URL must be POSTGRES_SCHEMA", () => {
  const groups = new Set(["storage"] as const);
  for (
    const query of [
      "currentSchema=analytics",
      "schema=analytics",
      "options=-csearch_path=analytics",
      "options=-c%20search_path%3Danalytics",
      "options=--search_path=analytics",
    ]
  ) {
    const settings = { ...defaultSettings(), POSTGRES_URL: read(`postgresql://localhost/?${query}`) };
    assertMatch(relationProblems(settings, groups, new Set()).join(), /"analytics", POSTGRES_SCHEMA is public/, query);
    assertEquals(relationProblems({ ...settings, POSTGRES_SCHEMA: "analytics" }, groups, new Set()), [], query);
  }
});

Deno.test("docs/compatibility.md names every parameter", async () => {
  const page = await Deno.readTextFile(new URL("../../../docs/compatibility.md", import.meta.url));
  const names = [...HONOURED, ...Object.keys(FIXED), ...Object.keys(REFUSED)];
  assertEquals(names.filter((name) => !new RegExp("`" + name + "[`=]").test(page)), []);
});
