// Whether a thread that no longer turns is noticed, and only such a one.
import { assertEquals } from "@std/assert";
import { EngineThread, SILENCE_MS_MAX } from "../../src/app/engine_thread.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { silentLog } from "../../src/shared/log.ts";
import { testApp } from "../http/app_fixture.ts";

/** Tells that it lives; told to start, it never turns again. */
const HANGS =
  `postMessage({ kind: "alive" }); onmessage = () => { postMessage({ kind: "log", level: "info", message: "hangs" }); for (;;); };`;
/** Tells that it lives, and ends when told to stop. */
const TURNS = `onmessage = ({ data }) => {
  if (data.kind === "start") postMessage({ kind: "log", level: "info", message: "turns" });
  if (data.kind === "stop") postMessage({ kind: "ended", failure: null });
  if (data.kind === "geo") postMessage({ kind: "alive" }), postMessage({ kind: "log", level: "info", message: "again" });
};`;

function thread(program: string) {
  let time = 0;
  let heard = Promise.withResolvers<string>();
  const engine = new EngineThread({
    start: { settings: { SHUTDOWN_TIMEOUT: 1 }, address: { kind: "url", url: "" }, number: 1, waitMs: 0 } as never,
    geo: () => ({}) as never,
    lock: null,
    log: { ...silentLog, info: (message) => heard.resolve(message) },
    clock: { ...systemClock, steady: () => time },
    before: { instance: "p#1" } as never,
    module: new URL(`data:text/javascript,${encodeURIComponent(program)}`),
    onCommitted() {},
    onClosed() {},
  });
  return {
    engine,
    heard: async () => {
      const message = await heard.promise;
      heard = Promise.withResolvers();
      return message;
    },
    pass: (ms: number) => time += ms,
  };
}

const livez = async (engine: EngineThread) => {
  const app = testApp({ deps: { stuckEngines: () => engine.stuck === null ? [] : [engine.stuck] } });
  const response = await app.request("/livez");
  return [response.status, await response.json()];
};

Deno.test("/livez says stuck once a thread has been silent for too long, and the thread can still be ended", async () => {
  const { engine, heard, pass } = thread(HANGS);
  assertEquals(engine.stuck, null, "not started");
  const stop = new AbortController();
  const running = engine.run(stop.signal);
  assertEquals(await heard(), "hangs");
  pass(SILENCE_MS_MAX);
  assertEquals(await livez(engine), [200, { status: "alive" }]);
  pass(1);
  assertEquals(await livez(engine), [503, { status: "stuck", engines: ["p#1"] }]);
  stop.abort();
  await running;
  assertEquals(engine.stuck, null, "ended");
});

Deno.test("/livez stays alive while a thread tells anything, however long it has nothing else to say", async () => {
  const { engine, heard, pass } = thread(TURNS);
  const stop = new AbortController();
  const running = engine.run(stop.signal);
  assertEquals(await heard(), "turns");
  for (let i = 0; i < 5; i++) {
    pass(SILENCE_MS_MAX + 1);
    engine.useGeo({} as never);
    assertEquals(await heard(), "again");
    assertEquals(await livez(engine), [200, { status: "alive" }]);
  }
  stop.abort();
  await running;
});

/** Notes each word of the main thread in its log. */
const LISTENS = `onmessage = ({ data }) => {
  if (data.kind === "stop") postMessage({ kind: "ended", failure: null });
  else postMessage({ kind: "log", level: "info", message: data.kind });
};`;

Deno.test("look() reaches the thread once a second at most", async () => {
  const { engine, heard, pass } = thread(LISTENS);
  const stopping = new AbortController(), run = engine.run(stopping.signal);
  assertEquals(await heard(), "start");
  engine.look();
  assertEquals(await heard(), "look");
  engine.look();
  engine.useGeo({} as never);
  assertEquals(await heard(), "geo", "no second look in between");
  pass(1_000);
  engine.look();
  assertEquals(await heard(), "look");
  stopping.abort();
  await run;
});
