// stream.env is a file that this program accepts.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { renderStreamEnv } from "../../src/cli/stream_env.ts";
import { loadSettings } from "../../src/shared/config/load.ts";
import { postgresTarget } from "../../src/shared/config/postgres.ts";
import { SETTING_NAMES } from "../../src/shared/config/settings.ts";

Deno.test("renderStreamEnv() holds every setting and loads without a problem", () => {
  const content = renderStreamEnv();
  for (const name of SETTING_NAMES) assertStringIncludes(content, `${name}=`);
  const { settings, notices } = loadSettings({
    flags: new Map(),
    env: { get: () => undefined, names: () => [] },
    file: { path: "stream.env", content },
    readFile: () => "",
    instanceId: "i",
  });
  assertEquals(notices, []);
  assertEquals(settings.KAFKA_URL, ["localhost:9093"]);
  assertEquals(postgresTarget(settings), {
    kind: "server",
    hosts: [{ host: "localhost", port: 5432 }],
    user: "postgres",
    password: "postgres",
    database: "postgres",
    tls: "disable",
  });
});
