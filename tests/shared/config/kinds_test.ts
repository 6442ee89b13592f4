// Tables of texts that are values and texts that are not, for every kind.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  anyCase,
  boolean,
  bytes,
  decimal,
  duration,
  formatBytes,
  formatDuration,
  hostPort,
  integer,
  type Kind,
  listedName,
  listOf,
  oneOf,
  orWord,
  parseValue,
  pem,
  startAt,
  text,
} from "../../../src/shared/config/kinds.ts";
import { epochMs } from "../../../src/shared/units.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

interface Case {
  readonly kind: Kind<unknown>;
  readonly good: readonly (readonly [string, unknown])[];
  readonly bad: readonly string[];
}

const CASES: Readonly<Record<string, Case>> = {
  text: { kind: text("<t>", 3), good: [["a", "a"], ["äöü", "äöü"]], bad: ["", "abcd", "a\nb", "a\0", "\x1b["] },
  pem: {
    kind: pem,
    good: [[PEM, PEM]],
    bad: ["", "MIIB", "-----BEGIN CERTIFICATE-----", "-----BEGIN A-----\n-----END-----"],
  },
  integer: {
    kind: integer(0, 10),
    good: [["0", 0], ["10", 10], ["007", 7]],
    bad: ["", "-1", "11", "1.5", "1e1", "0x1", " 1", "1 ", "NaN", "Infinity", "99999999999999999999"],
  },
  decimal: { kind: decimal(0.5, 2), good: [["0.5", 0.5], ["2", 2]], bad: ["", ".5", "0.4", "2.01", "1e0", "-1"] },
  boolean: {
    kind: boolean,
    good: [["true", true], ["FALSE", false], ["1", true], ["0", false], ["yes", true], ["off", false]],
    bad: ["", "maybe", "2", "t"],
  },
  anyCase: { kind: anyCase(oneOf("a-1", "b")), good: [["A-1", "a-1"], ["b", "b"]], bad: ["", "c", "a,b"] },
  oneOf: { kind: oneOf("a", "b"), good: [["a", "a"], ["b", "b"]], bad: ["", "A", "c", "a,b"] },
  orWord: { kind: orWord(integer(1, 2), "off", null), good: [["off", null], ["2", 2]], bad: ["OFF", "3", "null", ""] },
  listOf: {
    kind: listOf(integer(1, 9)),
    good: [["1", [1]], ["1, 2,3", [1, 2, 3]]],
    bad: ["", ",", "1,", "1;2", "1,x"],
  },
  listedName: {
    kind: listOf(listedName("<view>", 12)),
    good: [
      ["Germany, Bots", ["Germany", "Bots"]],
      ["People%2C 2%2c3,50 %,%252C", ["People, 2,3", "50 %", "%2C"]],
    ],
    bad: ["", "a,", "thirteen char", "a\tb"],
  },
  duration: {
    kind: duration(1, 86_400_000),
    good: [["1", 1], ["250ms", 250], ["60s", 60_000], ["5m", 300_000], ["1h", 3_600_000], ["1d", 86_400_000]],
    bad: ["", "0", "0s", "-1s", "1.5s", "5 m", "5M", "5min", "s", "2d", "86400001", "1e3", "99999999999999"],
  },
  bytes: {
    kind: bytes(1, 2 ** 20),
    good: [["1", 1], ["512B", 512], ["64KiB", 65_536], ["1MiB", 2 ** 20]],
    bad: ["", "0", "1KB", "1k", "1.5KiB", "2MiB", "1GiB", "-1", "KiB"],
  },
  startAt: {
    kind: startAt,
    good: [
      ["earliest", { kind: "earliest" }],
      ["latest", { kind: "latest" }],
      ["2026-01-31T00:00:00Z", { kind: "timestamp", time: epochMs(Date.UTC(2026, 0, 31)) }],
      ["2026-01-31T02:00:00.5+02:00", { kind: "timestamp", time: epochMs(Date.UTC(2026, 0, 31) + 500) }],
    ],
    bad: ["", "Earliest", "2026-01-31", "2026-01-31T00:00:00", "2026-02-30T00:00:00Z", "yesterday", "1700000000000"],
  },
  hostPort: {
    kind: hostPort(9092),
    good: [["a:1", "a:1"], ["kafka-1.example.com", "kafka-1.example.com:9092"], ["[::1]:9093", "[::1]:9093"]],
    bad: ["", "a:", "a:0", "a:65536", "kafka://a:1", "a b:1", "a:1/x", "::1", "user@a:1"],
  },
};

for (const [name, { kind, good, bad }] of Object.entries(CASES)) {
  Deno.test(`${name}() reads what fits its grammar and names the grammar for the rest`, () => {
    for (const [written, value] of good) {
      assertEquals(parseValue(kind, written), { ok: true, value }, `${name} ${JSON.stringify(written)}`);
    }
    for (const written of bad) {
      const parsed = parseValue(kind, written);
      assert(!parsed.ok, `${name} must refuse ${JSON.stringify(written)}`);
      assertStringIncludes(parsed.problem, "must be ");
    }
  });
}

Deno.test("formatDuration() and formatBytes() write what their kinds read back", () => {
  for (const ms of [0, 1, 999, 1_000, 1_500, 60_000, 90_000, 300_000, 3_600_000, 86_400_000]) {
    assertEquals(parseValue(duration(0, 86_400_000), formatDuration(ms)), { ok: true, value: ms as never });
  }
  assertEquals(formatDuration(300_000), "5m");
  for (const size of [0, 1, 1_000, 1_024, 1_536, 2 ** 20, 2 ** 30]) {
    assertEquals(parseValue(bytes(0, 2 ** 30), formatBytes(size)), { ok: true, value: size });
  }
  assertEquals(formatBytes(2 ** 20), "1MiB");
});
