import { assertEquals, assertMatch } from "@std/assert";
import { dispatch } from "../../src/cli/dispatch.ts";
import { SETTING_NAMES } from "../../src/shared/config/settings.ts";
import { fakeHost } from "./fake_host.ts";

async function config(...flags: string[]) {
  const host = fakeHost({
    env: { KAFKA_URL: "a:1,b:2" },
    files: { "s.env": "WINDOW_SIZE=1m", "/run/ca": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n" },
  });
  assertEquals(await dispatch(["config", "--env-file=s.env", ...flags], host), 0);
  return (await host.written()).out;
}

Deno.test("config prints each setting with its value and where it came from", async () => {
  const out = await config("--http-port", "0", "--kafka-tls", "--kafka-tls-ca-file=/run/ca");
  assertEquals(out.trimEnd().split("\n").map((line) => line.split(" ", 1)[0]), [...SETTING_NAMES]);
  assertMatch(out, /^KAFKA_URL +a:1,b:2 +environment$/m);
  assertMatch(out, /^WINDOW_SIZE +1m +settings file$/m);
  assertMatch(out, /^HTTP_PORT +0 +flag --http-port$/m);
  assertMatch(out, /^KAFKA_TLS_CA +-----BEGIN CERTIFICATE----- … +flag --kafka-tls-ca-file$/m);
  assertMatch(out, /^RETENTION_DAYS +\(unset\) +default$/m);
});

Deno.test("config --json prints one object", async () => {
  const read = JSON.parse(await config("--json"));
  assertEquals(Object.keys(read), [...SETTING_NAMES]);
  assertEquals(read.WINDOW_SIZE, { value: "1m", from: "settings file", as: "WINDOW_SIZE" });
});
