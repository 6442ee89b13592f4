// The program as a process: exit codes, closed streams, refused permissions, signals.
import { assertEquals, assertStringIncludes } from "@std/assert";

const path = (name: string) => new URL(name, import.meta.url).pathname;
const MAIN = path("../../src/main.ts");

function deno(
  permissions: readonly string[],
  script: string,
  args: readonly string[],
  env: Record<string, string> = {},
) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...permissions, script, ...args],
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("main ends with the exit code of what happened", async () => {
  const bad = await deno(["-A"], MAIN, ["config", "--http-prot=1"], { WINDOW_SIZE: "7m" }).output();
  assertEquals([bad.code, text(bad.stdout)], [2, ""]);
  assertStringIncludes(text(bad.stderr), "did you mean --http-port?");
  assertStringIncludes(text(bad.stderr), "WINDOW_SIZE must divide a day");
});

Deno.test("main sees only the variables that it may, and does without the others", async () => {
  const permissions = ["--allow-read", "--allow-env=HTTP_PORT"];
  const env = { HTTP_PORT: "1234", WINDOW_SIZE: "7m", HTTP_PROT: "1" };
  const { code, stdout, stderr } = await deno(permissions, MAIN, ["config"], env).output();
  assertEquals([code, text(stderr)], [0, ""]);
  assertStringIncludes(text(stdout), "1234");
});

Deno.test("main survives a reader that goes away", async () => {
  const child = deno(["-A"], MAIN, ["config", "--env"]).spawn();
  await child.stdout.cancel();
  const stderr = await new Response(child.stderr).text();
  assertEquals([(await child.status).code, stderr], [0, ""]);
});

Deno.test("the first signal aborts, the second ends the process at once", async () => {
  const child = deno(["-A"], path("signals_program.ts"), []).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals((await lines.read()).value, "ready\n");
  child.kill("SIGTERM");
  assertEquals((await lines.read()).value, "aborted\n");
  child.kill("SIGTERM");
  assertEquals((await lines.read()).done, true);
  await child.stderr.cancel();
  assertEquals((await child.status).code, 143);
});
