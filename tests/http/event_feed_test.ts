// The feed of /v1/events on a database that the test scripts.
import { assertEquals } from "@std/assert";
import { EventFeed, type FeedEvent } from "../../src/http/api/event_feed.ts";
import type { ReadDatabase } from "../../src/shared/sql.ts";
import { silentLog } from "../../src/shared/log.ts";
import { ManualClock } from "../source/file/rig.ts";

/** Answers the given rows one after another, the last one again and again; `null` = it does not answer. */
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
  const clock = new ManualClock(0);
  const feed = new EventFeed(database, clock, silentLog);
  const { events, listener } = collect(5);
  const stop = feed.subscribe(listener, undefined);
  for (let look = 1; look < 7; look++) {
    await clock.sleeping();
    clock.advance(3_000);
  }
  await clock.sleeping();
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
  const clock = new ManualClock(0);
  const feed = new EventFeed(database, clock, silentLog);
  const first = collect(1);
  const stopFirst = feed.subscribe(first.listener, "1-1000");
  await clock.sleeping();
  assertEquals(first.events, []);
  clock.advance(1_000);
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
  const feed = new EventFeed(database, new ManualClock(0), silentLog);
  const knows = collect(1);
  const newcomer = collect(1);
  const stops = [feed.subscribe(knows.listener, "1-1000"), feed.subscribe(newcomer.listener, undefined)];
  assertEquals((await newcomer.promise).map((e) => e.id), ["1-1000"]);
  assertEquals(knows.events, []);
  for (const stop of stops) stop();
});

Deno.test("EventFeed asks the database once for all clients, and not at all without any", async () => {
  const { database, asked } = scripted([row(1)]);
  const clock = new ManualClock(0);
  const feed = new EventFeed(database, clock, silentLog);
  const stops = Array.from({ length: 50 }, () => feed.subscribe(() => {}, undefined));
  for (let look = 1; look <= 3; look++) {
    await clock.sleeping();
    assertEquals(asked(), look, `${asked()} queries for 50 clients in ${look} looks`);
    if (look < 3) clock.advance(1_000);
  }
  for (const stop of stops) stop();
  clock.advance(60_000);
  // A timer comes after all that the ended sleep could have started.
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(asked(), 3);
  const again = collect(1);
  const stop = feed.subscribe(again.listener, undefined);
  await again.promise;
  stop();
});
