// What a database error means for a caller, and that a hanging database cannot pile up work.
import { assertEquals, assertRejects } from "@std/assert";
import { bounded, databaseProblem } from "../../src/http/server/database.ts";
import { databaseProbe } from "../../src/http/server/probe.ts";
import { DeadlineError, type ReadDatabase } from "../../src/shared/sql.ts";
import { TestClock } from "./app_fixture.ts";
import { HttpProblem } from "../../src/http/server/problem.ts";

Deno.test("databaseProblem() by SQLSTATE, client code and name; it does not name bugs", () => {
  const cases = [
    [{ code: "57014" }, "query_timeout"],
    [{ code: "42P01" }, "schema_missing"],
    [{ code: "42883" }, "schema_missing"],
    [{ code: "08006" }, "database_unavailable"],
    [{ code: "53300" }, "database_unavailable"],
    [{ code: "57P01" }, "database_unavailable"],
    [{ code: "28P01" }, "database_unavailable"],
    [{ code: "ECONNREFUSED" }, "database_unavailable"],
    [{ code: "CONNECTION_CLOSED" }, "database_unavailable"],
    [{ code: "postgres_unavailable" }, "database_unavailable"],
    [{ code: "postgres_tls_name" }, "database_unavailable"],
    [{ code: "TM020" }, "overloaded"],
    [{ code: "42601" }, undefined],
    [{ code: "23505" }, undefined],
    [{}, undefined],
  ] as const;
  for (const [fields, code] of cases) {
    const error = Object.assign(new Error("10.1.2.3 said no"), fields);
    const problem = databaseProblem(error);
    assertEquals(problem?.code, code, JSON.stringify(fields));
    assertEquals(problem?.detail.includes("10.1.2.3"), problem && false);
  }
  assertEquals(databaseProblem(new DeadlineError("slow"))?.code, "database_unavailable");
  assertEquals(databaseProblem("text"), undefined);
});

Deno.test("bounded() refuses what would only wait, and takes again when something ended", async () => {
  const waiting: (() => void)[] = [];
  const hanging = {
    query: () => new Promise((resolve) => waiting.push(() => resolve([]))),
  } as unknown as ReadDatabase;
  const database = bounded(hanging, 2);
  const ask = () => database.query((sql) => sql`select 1`, 1_000);
  const running = [ask(), ask()];
  const error = await assertRejects(ask, HttpProblem);
  assertEquals((error as HttpProblem).code, "overloaded");
  waiting.shift()!();
  await running[0];
  running.push(ask());
  assertEquals(waiting.length, 2);
  for (const end of waiting) end();
  await Promise.all(running);
});

Deno.test("databaseProbe() takes an embedded database that does not answer in time for busy, a server for away", async () => {
  const away = "PostgreSQL does not answer";
  const cases = [
    [new DeadlineError("slow"), null, away],
    [Object.assign(new Error("no"), { code: "TM020" }), null, away],
    [Object.assign(new Error("no"), { code: "ECONNREFUSED" }), away, away],
  ] as const;
  for (const [error, embedded, server] of cases) {
    const database = { query: () => Promise.reject(error) } as unknown as ReadDatabase;
    const look = (isEmbedded: boolean) => databaseProbe(database, new TestClock(), isEmbedded)();
    assertEquals([await look(true), await look(false)], [embedded, server], error.name);
  }
});
