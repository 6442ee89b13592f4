// Goal: no hash decides that two texts or two keys are the same. Method: a copy of the program whose hash functions give one value for
// everything reads and counts the same events; its results must be those of the program itself. A copy that also trusts the hash must not.
import { assert, assertEquals } from "@std/assert";
import type * as FastReader from "../../src/event/fast_reader.ts";
import type * as KeyTables from "../../src/window/key_table.ts";
import { READ_OK } from "../../src/event/types.ts";
import { createEchoLocator, RULE_SETS } from "../fuzz/event_pair.ts";
import { type Edit, mutate } from "../simulation/mutants.ts";
import { REPOSITORY } from "../support/process.ts";

type Edits = Readonly<Record<string, readonly Edit[]>>;

const INTERN = "src/event/intern.ts", TABLE = "src/window/key_table.ts", MIX = "src/shared/typed_tables.ts";
const ONE_HASH: Edits = {
  [INTERN]: [["    h ^= h >>> 16;\n    h = Math.imul(h, m);\n    return h ^ (h >>> 15);", "    return 0 * h;"]],
  [MIX]: [["  return h ^ (h >>> 13);", "  return 0 * h;"]],
};
const TRUSTED_TEXTS: Edits = {
  ...ONE_HASH,
  [INTERN]: [...ONE_HASH[INTERN]!, [" && this.#holds(slot, bytes, view, start, end)) return slot;", ") return slot;"]],
};
const TRUSTED_KEYS: Edits = {
  ...ONE_HASH,
  [TABLE]: [
    [
      "if (this.host[entry] === host && this.referrer[entry] === referrer && this.place[entry] === place) {",
      "if (entry >= 0) {",
    ],
  ],
};

/** Hits and hits by bots by the texts of host, referrer and address. */
type Counts = ReadonlyMap<string, readonly [hits: number, bots: number]>;

/** 4,000 events over 120 hosts, 150 referrers and 40 addresses, some beside each other by one character only. */
const EVENTS = Array.from({ length: 4_000 }, (_, i) => {
  const n = Math.imul(i + 1, 0x9e3779b1) >>> 0;
  return JSON.stringify({
    event_time: "2026-06-01T12:00:00Z",
    host: `h${n % 120}.example`,
    referrer: n % 5 === 0 ? "-" : `https://r.example/${"a".repeat((n >>> 8) % 6)}${(n >>> 12) % 25}`,
    ip: `203.0.113.${(n >>> 4) % 40}`,
    user_agent: n % 3 === 0 ? `curl/8.${(n >>> 20) % 30}` : `Mozilla/5.0 (X11; rv:${(n >>> 20) % 30})`,
  });
});

async function counted(edits: Edits): Promise<Counts> {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-collision-" });
  try {
    const { success } = await new Deno.Command("cp", { args: ["-r", "src", folder], cwd: REPOSITORY }).output();
    assert(success, "cp");
    for (const [file, list] of Object.entries(edits)) {
      const text = await Deno.readTextFile(`${folder}/${file}`);
      await Deno.writeTextFile(
        `${folder}/${file}`,
        mutate({ guard: "one hash", file, edits: list, suite: "unit" }, text),
      );
    }
    const reader: typeof FastReader = await import(`file://${folder}/src/event/fast_reader.ts`);
    const table: typeof KeyTables = await import(`file://${folder}/${TABLE}`);
    return count(reader.createEventReader, new table.KeyTable());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function count(createEventReader: typeof FastReader.createEventReader, table: KeyTables.KeyTable): Counts {
  const locator = createEchoLocator();
  const reader = createEventReader({ ...RULE_SETS.json!, locator, hashSeed: 3 });
  for (const event of EVENTS) {
    const bytes = new TextEncoder().encode(event);
    assertEquals(reader.read(bytes, 0, bytes.length), READ_OK);
    table.add(reader.host, reader.referrer, reader.place, reader.bot);
  }
  const counts = new Map<string, [number, number]>();
  for (let i = 0; i < table.size; i++) {
    const names = [reader.hosts.text(table.host[i]!), reader.referrers.text(table.referrer[i]!)];
    const key = [...names, locator.address(table.place[i]!)].join(" ");
    assert(!counts.has(key), `two entries for ${key}`);
    counts.set(key, [table.keyHits[i]!, table.keyBotHits[i]!]);
  }
  return counts;
}

Deno.test("counts are the same where every hash collides, and wrong where a hash alone decides", async () => {
  const right = await counted({});
  assert(right.size > 1_000 && [...right.values()].some(([, bots]) => bots > 0));
  const same = await counted(ONE_HASH);
  assertEquals([...same], [...right]);
  for (const trusting of [TRUSTED_TEXTS, TRUSTED_KEYS]) {
    const wrong = await counted(trusting);
    assert(wrong.size < right.size, "the injected hash is not what decides");
  }
});
