// Sketches: what must hold in any order and after any repetition, their bytes, and their error.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { KEY_BYTES, SipHasher, sipKey } from "../../src/breakdown/siphash.ts";
import { PRECISION, rankOf, registerOf, updateOf } from "../../src/breakdown/sketch.ts";
import {
  estimateOf,
  RANK_MAX,
  REGISTERS,
  Sketch,
  sketchBytes,
  sketchOfBytes,
  SPARSE_UPDATES_MAX,
  updatesOfBytes,
} from "../support/sketch.ts";

const update = fc.tuple(fc.nat(REGISTERS - 1), fc.integer({ min: 1, max: RANK_MAX })).map(([register, rank]) =>
  register * 64 + rank
);
const updates = fc.oneof(
  fc.array(update, { maxLength: 60 }),
  // Few registers, so that they meet.
  fc.array(update.map((one) => one % (8 * 64)).filter((one) => rankOf(one) >= 1), { maxLength: 60 }),
);

function sketchOf(list: Iterable<number>): Sketch {
  const sketch = new Sketch();
  for (const one of list) sketch.add(one);
  return sketch;
}

/** Updates of `count` different visitors, under one salt. */
function* visitors(salt: number, count: number, first = 0): Generator<number> {
  const hasher = new SipHasher(), key = sipKey(new Uint8Array(KEY_BYTES).fill(salt)), bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) {
    view.setFloat64(0, first + i);
    hasher.hash(key, bytes, 0, 8);
    yield updateOf(hasher.high, hasher.low);
  }
}

Deno.test("updateOf() takes register and rank from the bits of a hash", () => {
  const twin = (high: number, low: number) => {
    const bits = [high, low].map((word) => (word >>> 0).toString(2).padStart(32, "0")).join("");
    const rest = bits.slice(PRECISION);
    return [parseInt(bits.slice(0, PRECISION), 2), rest.includes("1") ? rest.indexOf("1") + 1 : RANK_MAX];
  };
  const check = (high: number, low: number) =>
    assertEquals([registerOf(updateOf(high, low)), rankOf(updateOf(high, low))], twin(high, low), `${high} ${low}`);
  for (let bit = 0; bit < 32; bit++) {
    for (const other of [0, 1, -1]) {
      check(1 << bit, other);
      check(other, 1 << bit);
      check(-1 << bit, other);
      check(0, 1 << bit);
    }
  }
  check(0, 0);
  check(-1, -1);
  fc.assert(fc.property(fc.integer(), fc.integer(), check));
});

Deno.test("Sketch.add() gives the same bytes in any order, however often an update comes", () => {
  fc.assert(fc.property(updates, fc.infiniteStream(fc.nat(1_000)), fc.nat(3), (list, keys, repeats) => {
    const again = Array.from({ length: repeats + 1 }, () => list).flat();
    const shuffled = again.map((one) => [keys.next().value, one] as const).sort(([a], [b]) => a - b).map(([, one]) =>
      one
    );
    assertEquals(sketchOf(shuffled).bytes(), sketchOf(list).bytes());
  }));
});

Deno.test("Sketch.add() says which updates are needed: those alone give the same sketch", () => {
  fc.assert(fc.property(updates, (list) => {
    const sketch = new Sketch();
    const needed = list.filter((one) => sketch.add(one));
    assertEquals(sketchOf(needed).bytes(), sketch.bytes());
    assert(list.every((one) => !sketch.add(one)));
  }));
});

Deno.test("Sketch.merge() is commutative, associative and idempotent, and equals one sketch over all", () => {
  fc.assert(fc.property(updates, updates, updates, (a, b, c) => {
    const merged = (...lists: readonly (readonly number[])[]) => {
      const sketch = new Sketch();
      for (const list of lists) sketch.merge(sketchOf(list));
      return sketch;
    };
    const all = sketchOf([...a, ...b, ...c]).bytes();
    assertEquals(merged(a, b, c).bytes(), all);
    assertEquals(merged(c, a, b).bytes(), all);
    assertEquals(merged(a, b, c, b, a, a).bytes(), all);
    const nested = sketchOf(a);
    const rest = sketchOf(b);
    rest.merge(sketchOf(c));
    nested.merge(rest);
    assertEquals(nested.bytes(), all);
    assertEquals(sketchBytes([...c, ...a, ...b]), all);
  }));
});

Deno.test("a run that loses its memory anywhere, and reads again from its last commit, leaves the same bytes", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("read" as const), count: fc.integer({ min: 1, max: 40 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("commit" as const, "lost reply" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("kill" as const) }) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), fc.nat(255), (steps, salt) => {
    // Some visitors come again.
    const log = [...visitors(salt, 900), ...visitors(salt, 300), ...visitors(salt, 300, 800)];
    const stored = new Sketch();
    let committed = 0, read = 0, sent: number[] = [], memory = new Sketch();
    const commit = () => {
      stored.merge(sketchOfBytes(sketchBytes(sent))!);
      committed = read;
    };
    const forget = () => {
      memory = new Sketch();
      sent = [];
      read = committed;
    };
    const take = (count: number) => {
      for (const end = Math.min(read + count, log.length); read < end; read++) {
        if (memory.add(log[read]!)) sent.push(log[read]!);
      }
    };
    for (const one of steps) {
      if (one.kind === "read") take(one.count);
      else if (one.kind === "kill") forget();
      else {
        commit();
        // Without the reply, memory is not to be trusted.
        if (one.kind === "lost reply") forget();
        else sent = [];
      }
    }
    take(log.length);
    commit();
    assertEquals(stored.bytes(), sketchOf(log).bytes());
  }));
});

Deno.test("sketchBytes() and updatesOfBytes() are inverse at every size", () => {
  for (const count of [0, 1, 2, SPARSE_UPDATES_MAX - 1, SPARSE_UPDATES_MAX, SPARSE_UPDATES_MAX + 1, REGISTERS]) {
    const list = Array.from({ length: count }, (_, i) => (REGISTERS - 1 - i) * 64 + 1 + i % RANK_MAX);
    const bytes = sketchBytes(list);
    assertEquals(bytes[0], count > SPARSE_UPDATES_MAX ? 2 : 1);
    assert(bytes.length <= 1 + REGISTERS);
    assertEquals(updatesOfBytes(bytes), [...list].reverse());
    assertEquals(sketchOfBytes(bytes)!.bytes(), bytes);
    assertEquals(sketchOfBytes(bytes)!.updates(), [...list].reverse());
  }
});

Deno.test("updatesOfBytes() takes no other bytes", () => {
  const dense = sketchBytes(Array.from({ length: REGISTERS }, (_, i) => i * 64 + 1));
  const wrong: readonly Uint8Array[] = [
    new Uint8Array(0),
    Uint8Array.of(0),
    Uint8Array.of(3),
    Uint8Array.of(1, 0),
    Uint8Array.of(1, 0, 0),
    Uint8Array.of(1, 0, 0, 0), // rank 0
    Uint8Array.of(1, 0, 0, RANK_MAX + 1),
    Uint8Array.of(1, 16, 0, 1), // register 16384
    Uint8Array.of(1, 0, 0, 2, 0, 0, 1), // a register twice
    Uint8Array.of(1, 0, 0, 65, 0, 0, 1), // descending
    Uint8Array.of(2),
    dense.subarray(1),
    dense.subarray(0, -1),
    Uint8Array.from(dense, (byte, i) => i === 5 ? RANK_MAX + 1 : byte),
    Uint8Array.from(dense, (byte, i) => i > 2_000 ? 0 : byte), // dense, although sparse is shorter
  ];
  for (const bytes of wrong) assertEquals(updatesOfBytes(bytes), undefined, bytes.subarray(0, 8).join());
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    const read = updatesOfBytes(bytes);
    if (read !== undefined) assertEquals(sketchBytes(read), bytes);
  }));
});

Deno.test("Sketch.estimate() is exact for none, and for few within the half that rounding takes away", () => {
  assertEquals(new Sketch().estimate(), 0);
  const sketch = new Sketch();
  let count = 0;
  for (const one of visitors(1, 20)) {
    sketch.add(one);
    assertEquals(Math.round(sketch.estimate()), ++count);
  }
  const full = new Array<number>(RANK_MAX + 1).fill(0);
  full[RANK_MAX] = REGISTERS;
  assertEquals(estimateOf(full), Infinity);
});

Deno.test("estimateOf() gives back the number of visitors for which the counts are those expected, to the end of 64 bits", () => {
  for (let visitors = 1; visitors < 2e19; visitors *= 2) {
    // With a Poisson number of visitors a register has a rank of at most k with probability exp(-λ / 2^k).
    const atMost = (rank: number) => rank > 64 - PRECISION ? 1 : Math.exp(-visitors / REGISTERS / 2 ** rank);
    const counts = Array.from(
      { length: RANK_MAX + 1 },
      (_, rank) => REGISTERS * (atMost(rank) - (rank === 0 ? 0 : atMost(rank - 1))),
    );
    const ratio = estimateOf(counts) / visitors;
    assert(Math.abs(ratio - 1) < 1e-4, `${visitors}: ${ratio}`);
  }
});

Deno.test("Sketch.estimate() has a standard error of 0.81 % and no bias, from 1 to 100,000 visitors", () => {
  const marks = [1, 10, 100, 1_000, 3_000, 5_000, 8_000, 12_000, 20_000, 40_000, 60_000, 100_000];
  const salts = 60;
  const errors = new Map(marks.map((mark) => [mark, [] as number[]]));
  for (let salt = 0; salt < salts; salt++) {
    const sketch = new Sketch();
    let count = 0;
    for (const one of visitors(salt, marks.at(-1)!)) {
      sketch.add(one);
      errors.get(++count)?.push(sketch.estimate() / count - 1);
    }
  }
  for (const [mark, list] of errors) {
    const mean = list.reduce((sum, error) => sum + error, 0) / list.length;
    const deviation = Math.sqrt(list.reduce((sum, error) => sum + error * error, 0) / list.length);
    assert(deviation < 0.0105, `${mark}: standard error ${deviation}`);
    assert(Math.abs(mean) < 0.0035, `${mark}: bias ${mean}`);
    assert(list.filter((error) => Math.abs(error) > 0.02).length <= salts * 0.06, `${mark}: too many above 2 %`);
  }
});

Deno.test("Sketch.estimate() keeps that error up to 1,000,000 visitors", () => {
  const errors: number[] = [];
  for (const salt of [1, 2, 3, 4]) {
    const sketch = new Sketch();
    let count = 0;
    for (const one of visitors(salt, 1_000_000)) {
      sketch.add(one);
      if (++count % 50_000 === 0) errors.push(sketch.estimate() / count - 1);
    }
  }
  const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);
  assert(deviation < 0.0105, `standard error ${deviation}`);
  // Three standard errors.
  for (const error of errors) assert(Math.abs(error) < 0.0243, `${error}`);
});
