// The thread of one engine, with connections, reader and heap of its own; address databases are shared. Shell: entry of a Worker. Part of the
// composition root.
import { createPlaceLocator } from "../geo/place_locator.ts";
import { brokenRecordsOf, openShared, type SharedGeo } from "../geo/shared_geo.ts";
import type { Pipeline } from "../pipeline.ts";
import { type Clock, systemClock } from "../shared/clock.ts";
import { logTo } from "../shared/log.ts";
import { durationMs } from "../shared/units.ts";
import { createEngine, runEngine } from "./engine.ts";
import type { FromThread, ThreadStart, ToThread } from "./engine_messages.ts";
import { describeFailure } from "../shared/failure.ts";
import { workerScope } from "../shared/worker_scope.ts";
import { openPools } from "./storage.ts";

/** Interval of snapshots: as often as pages ask at most. */
const SNAPSHOT_MS = durationMs(250);
/** Interval of `alive` messages: far below the time after which the main thread takes this one for stuck. */
const ALIVE_MS = 1_000;

const scope = workerScope<ToThread, FromThread>();

let databases: ReturnType<typeof openShared> = { v4: null, v6: null };
let engine: Pipeline | null = null;
const locator = createPlaceLocator(databases);
const stopping = new AbortController();

async function run({ settings, address, number, waitMs, geo, notes }: ThreadStart): Promise<void> {
  useGeo(geo);
  const clock = systemClock, storage = openPools(address, settings);
  // Only one thread may write to standard error.
  const log = logTo((level, message, fields) => scope.postMessage({ kind: "log", level, message, fields }));
  try {
    const made = engine = await createEngine({ settings, clock, log }, {
      storage,
      notes: {
        readNote: (name) => Promise.resolve(notes[name]),
        writeNote: (name, text) => Promise.resolve(scope.postMessage({ kind: "note", name, text })),
      },
      places: locator,
      once: false,
      waitMs,
      number,
      onCommitted: (durationMs, keys) => scope.postMessage({ kind: "committed", durationMs, keys }),
      onClosed: (windowStart, at) => scope.postMessage({ kind: "closed", windowStart, at }),
    });
    const beside = (signal: AbortSignal) => tellSnapshots(made, clock, signal);
    await runEngine(made, { database: storage.work, clock, places: locator, beside }, stopping.signal);
  } finally {
    await storage.close();
  }
}

function useGeo(geo: SharedGeo): void {
  databases = openShared(geo);
  locator.replace(databases);
}

/** Sends snapshots to the main thread, the last one when the signal aborts. */
async function tellSnapshots(engine: Pipeline, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { located, walked, missed } = locator;
    const broken = brokenRecordsOf([databases.v4, databases.v6]);
    scope.postMessage({ kind: "snapshot", snapshot: engine.snapshot(), geo: { located, walked, missed }, broken });
    if (signal.aborted) return;
    await clock.sleep(SNAPSHOT_MS, signal);
  }
}

scope.onmessage = ({ data }) => {
  switch (data.kind) {
    case "start":
      setInterval(() => scope.postMessage({ kind: "alive" }), ALIVE_MS);
      void run(data.start).then(
        () => scope.postMessage({ kind: "ended", failure: null }),
        (error) => scope.postMessage({ kind: "ended", failure: describeFailure(error) }),
      );
      return;
    case "geo":
      return useGeo(data.geo);
    case "look":
      return engine?.look();
    case "stop":
      return stopping.abort();
  }
};
