// Tests of helpers that other tests rely on: a child that outlives its test would disturb the tests after it.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { REPOSITORY, signalProcess, spawn, withoutLeaks } from "./process.ts";
import { until } from "./wait.ts";

Deno.test("spawn() collects output, lines and the exit code", async () => {
  await using child = spawn("sh", ["-c", "echo one; echo two >&2; read line; echo got $line; exit 3"]);
  assertEquals(await child.waitForLine(/^t/), "two");
  await child.write("hello\n");
  assertEquals(await child.waitForLine("got"), "got hello");
  assertEquals(await child.exit(), { code: 3, signal: null, stdout: "one\ngot hello\n", stderr: "two\n" });
});

Deno.test("waitForLine() fails with the output when the child ends or time runs out", async () => {
  await using ending = spawn("sh", ["-c", "echo only; echo unended >&2"]);
  const ended = await assertRejects(() => ending.waitForLine("never"), Error, "ended");
  assertStringIncludes(ended.message, "only");
  await using waiting = spawn("sleep", ["60"]);
  await assertRejects(() => waiting.waitForLine("never", 20), Error, "20 ms passed");
});

Deno.test("disposing a child kills it, also when it is frozen", async () => {
  let pid: number;
  {
    await using child = spawn("sleep", ["60"]);
    pid = child.pid;
    child.signal("SIGSTOP");
  }
  assertEquals(signalProcess(pid, "SIGCONT"), false);
});

Deno.test("a child dies with its parent, even when that is killed", async () => {
  const module = new URL("tests/support/process.ts", REPOSITORY).href;
  const script = `const { spawn } = await import("${module}"); console.log("child " + spawn("sleep", ["60"]).pid);`;
  await using parent = spawn(Deno.execPath(), ["eval", "--no-check", script]);
  const pid = Number((await parent.waitForLine("child ")).split(" ")[1]);
  assert(signalProcess(pid, "SIGCONT"));
  parent.signal("SIGKILL");
  await parent.exit();
  await until(`process ${pid} dies with its parent`, async () => {
    const { stdout } = await new Deno.Command("ps", { args: ["-o", "stat=", "-p", String(pid)] }).output();
    const state = new TextDecoder().decode(stdout).trim();
    // In a container without an init process, no process collects a dead orphan: it stays as a zombie.
    return state === "" || state.startsWith("Z");
  });
});

Deno.test("withoutLeaks() finds a secret of the child's variables in its output", async () => {
  const env = {
    POSTGRES_URL: "postgres://u:hidden-away@localhost/x",
    API_TOKEN: "another-secret",
    HTTP_PORT: "12345678",
  };
  const say = (text: string) => withoutLeaks(spawn("echo", [text]), env);
  await using harmless = say("listening on 12345678");
  assertEquals((await harmless.exit()).code, 0);
  for (const [name, text] of [["POSTGRES_URL", "url hidden-away"], ["API_TOKEN", "token=another-secret"]]) {
    const leaking = say(text!);
    await assertRejects(() => leaking.exit(), Error, `The secret in ${name}`);
    await assertRejects(async () => await leaking[Symbol.asyncDispose](), Error, `The secret in ${name}`);
  }
});
