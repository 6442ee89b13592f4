// The feed of /v1/events on a database that the test scripts.
import { assertEquals } from "@std/assert";
import { EventFeed, type FeedEvent } from "../../src/http/api/event_feed.ts";
import type { ReadDatabase } from "../../src/http/server/database.ts";
import { silentLog } from "../../src/shared/log.ts";
import { TestClock } from "./app_fixture.ts";

/** Answers the given rows one after another, the last one for ever; `null` = it does not answer. */
function scripted(answers: readonly (Record<string, unknown> | null)[]) {
  let asked = 0;
  const database: ReadDatabase = {
    query<T>() {
      const answer = answers[Math.min(asked++, answers.length - 1)];
      return answer === null ? Promise.reject(new Error("away")) : Promise.resolve([answer] as T);
    },
  };
  return { database, asked: () => asked };
}

const row = (data_revision: number, counted = 0) => ({ data_revision, closed_through: 1_000, counted });

function collect(count: number) {
  const { promise, resolve } = Promise.withResolvers<FeedEvent[]>();
  const events: FeedEvent[] = [];
  return {
    promise,
    events,
    listener: (event: FeedEvent) => {
      events.push(event);
      if (events.length === count) resolve(events);
    },
  };
}

Deno.test("EventFeed tells what changed, once each, and says when the database is away and back", async () => {
  const { database } = scripted([row(1), row(1), row(1, 5), null, null, row(1, 5), row(2, 5)]);
  const feed = new EventFeed(database, new TestClock(), silentLog);
  const { promise, listener } = collect(5);
  const stop = feed.subscribe(listener, undefined);
  const events = await promise;
  stop();
  assertEquals(events.map((e) => [e.event, e.id]), [
    ["progress", "1-1000"],
    ["progress", "1-1000"],
    ["unavailable", ""],
    ["progress", "1-1000"],
    ["progress", "2-1000"],
  ]);
});

Deno.test("EventFeed does not repeat what a client knows, and tells a second one at once", async () => {
  const { database } = scripted([row(1), row(2)]);
  const feed = new EventFeed(database, new TestClock(), silentLog);
  const first = collect(1);
  const stopFirst = feed.subscribe(first.listener, "1-1000");
  assertEquals((await first.promise).map((e) => e.id), ["2-1000"]);
  const second = collect(1);
  const stopSecond = feed.subscribe(second.listener, undefined);
  assertEquals(second.events.map((e) => e.id), ["2-1000"]);
  const third = collect(1);
  const stopThird = feed.subscribe(third.listener, "2-1000");
  assertEquals(third.events, []);
  for (const stop of [stopFirst, stopSecond, stopThird]) stop();
  assertEquals(feed.clients, 0);
});

Deno.test("EventFeed tells a client that came during the first look what another one already knew", async () => {
  const { database } = scripted([row(1)]);
  const feed = new EventFeed(database, new TestClock(), silentLog);
  const knows = collect(1);
  const newcomer = collect(1);
  const stops = [feed.subscribe(knows.listener, "1-1000"), feed.subscribe(newcomer.listener, undefined)];
  assertEquals((await newcomer.promise).map((e) => e.id), ["1-1000"]);
  assertEquals(knows.events, []);
  for (const stop of stops) stop();
});

Deno.test("EventFeed asks the database once for all clients, and not at all without any", async () => {
  const { database, asked } = scripted([row(1)]);
  const feed = new EventFeed(database, new TestClock(), silentLog);
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const stops = Array.from({ length: 50 }, () => feed.subscribe(() => {}, undefined));
  await pause(20);
  const perClient = asked() / 50;
  assertEquals(perClient < 1, true, `${asked()} queries for 50 clients`);
  for (const stop of stops) stop();
  const before = asked();
  await pause(20);
  assertEquals(asked(), before);
  const again = collect(1);
  const stop = feed.subscribe(again.listener, undefined);
  await again.promise;
  stop();
});
