// The store contract over the model database: what the simulation believes of PostgreSQL is what PostgreSQL is held to.
import { parseStreamRules, rulesJson } from "../../src/event/stream_rules.ts";
import { STORE_CONTRACT, type StoreRig, type Tables } from "../contract/store_contract.ts";
import { Audit } from "./audit.ts";
import { ModelServer, ModelStore } from "./model_client.ts";
import { ALL_GUARDS, type KeyHits, ModelDatabase } from "./model_database.ts";
import { START } from "./plan.ts";
import { Random } from "./random.ts";
import { Witness } from "./witness.ts";
import { Process, World } from "./world.ts";

function modelRig(guards = ALL_GUARDS): StoreRig & { readonly world: World } {
  const random = new Random(1);
  const world = new World(START, random);
  const database = new ModelDatabase(guards, () => random.uuid());
  // Payloads of the contract are made up: what the auditor says of them is not asked.
  const server = new ModelServer(world, database, new Audit(database, 1, () => ""), random);
  const store = () =>
    new ModelStore({
      process: new Process(world, "contract"),
      server,
      random,
      witness: new Witness({
        sent: new Map(),
        rules: { windowSize: 1, watermarkDelay: 0, idleTimeout: 0 },
        once: true,
        splits: false,
        counted: 0,
        violation: () => {},
      }),
    });
  return {
    world,
    store: store(),
    other: store(),
    tables: () => Promise.resolve(tablesOf(database)),
    switchRules: (rules) => Promise.resolve(database.switchRules(rulesJson(rules))),
    spans: () =>
      Promise.resolve(
        database.state.spans.map(({ partition, from, rules }) =>
          [partition, from, parseStreamRules(rules).version] as const
        )
          .sort((a, b) => a[0] - b[0]),
      ),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function tablesOf({ state }: ModelDatabase): Tables {
  const flat = (tables: Iterable<readonly [number, KeyHits]>) =>
    Object.fromEntries(
      [...tables].flatMap(([window, keys]) =>
        [...keys].map((
          [key, { hits, bots }],
        ) => [`${window}|${key.replaceAll("\x1f", "|").replaceAll("\x1e", "|")}`, [hits, bots] as const])
      ),
    );
  const open: Record<string, number> = {};
  for (const { windowStart, hits } of state.open) open[windowStart] = (open[windowStart] ?? 0) + hits;
  return {
    closed: flat([...state.closed].map(([window, { keys }]) => [window, keys])),
    late: flat(state.late),
    open,
    ledger: Object.fromEntries(
      [...state.rows.values()].map((
        r,
      ) => [r.partition, [r.counted, r.late, r.lateDropped, r.dead, r.nulls, r.skipped]]),
    ),
    dead: Object.fromEntries(state.deadCounts),
    advances: state.advances.map((a) => [a.partition, a.atOffset, a.watermark]),
  };
}

for (const { name, run } of STORE_CONTRACT) {
  Deno.test(`ModelStore: ${name}`, async () => {
    const rig = modelRig();
    let failure: unknown = null, done = false;
    run(rig).catch((error) => failure = error).finally(() => done = true);
    await rig.world.run(START + 3_600_000, () => done);
    if (failure) throw failure;
    if (!done) throw new Error("the case has not ended within an hour of model time");
  });
}
