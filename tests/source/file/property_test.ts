// Random writing, rotating, reading, committing, restarting: every line that was written is committed exactly once, in order.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { FileRig } from "./rig.ts";

type Act =
  | { readonly act: "append"; readonly lines: number; readonly partial: boolean }
  | { readonly act: "rotate"; readonly by: "rename" | "rename+gzip" | "copytruncate" }
  | { readonly act: "read"; readonly times: number }
  | { readonly act: "commit" | "settle" }
  | { readonly act: "restart" };

const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ act: fc.constant("append" as const), lines: fc.nat({ max: 40 }), partial: fc.boolean() }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        act: fc.constant("rotate" as const),
        by: fc.constantFrom("rename" as const, "rename+gzip" as const, "copytruncate" as const),
      }),
    },
    { weight: 3, arbitrary: fc.record({ act: fc.constant("read" as const), times: fc.integer({ min: 1, max: 6 }) }) },
    { weight: 2, arbitrary: fc.record({ act: fc.constantFrom("commit" as const, "settle" as const) }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant("restart" as const) }) },
  ),
  { minLength: 1, maxLength: 25 },
);

/** Writes as a server and logrotate do: shifting numbered names, and remembering every line. */
class Writer {
  readonly written: string[] = [];
  #open = "";
  #next = 0;
  #rotated: string[] = [];
  constructor(readonly rig: FileRig) {
    rig.write("access.log", "");
  }
  append(lines: number, partial: boolean) {
    let text = "";
    for (let i = 0; i < lines; i++) {
      const line = `line ${this.#next} t=${1_000_000 + this.#next++} ${"x".repeat(this.#next % 90)}`;
      if (this.#open !== "") text += " rest\n";
      this.written.push(this.#open === "" ? line : `${this.#open} rest`);
      if (this.#open !== "") this.written.push(line);
      this.#open = "";
      text += `${line}\n`;
    }
    if (partial && this.#open === "") {
      this.#open = `line ${this.#next} t=${1_000_000 + this.#next++} open`;
      text += this.#open;
    }
    this.rig.append("access.log", text);
  }
  rotate(by: "rename" | "rename+gzip" | "copytruncate") {
    if (Deno.statSync(this.rig.path()).size === 0) return;
    if (this.#open !== "") this.written.push(this.#open);
    this.#open = "";
    this.#rotated = this.#rotated.map((name) => {
      const shifted = name.replace(/\.(\d+)/, (_, n) => `.${Number(n) + 1}`);
      return shifted;
    });
    for (const name of this.#rotated) {
      const before = name.replace(/\.(\d+)/, (_, n) => `.${Number(n) - 1}`);
      Deno.renameSync(this.rig.path(before), this.rig.path(name));
    }
    if (by === "copytruncate") {
      this.rig.copyTruncate("access.log", "access.log.1");
      this.#rotated.unshift("access.log.1");
    } else {
      Deno.renameSync(this.rig.path(), this.rig.path("access.log.1"));
      if (by === "rename+gzip") this.rig.gzip("access.log.1");
      this.#rotated.unshift(by === "rename" ? "access.log.1" : "access.log.1.gz");
      this.rig.write("access.log", "");
    }
    this.#rotated.sort((a, b) => Number(/\d+/.exec(b)![0]) - Number(/\d+/.exec(a)![0]));
  }
  /** A rotated file's unterminated line counts when the next file has begun. */
  end() {
    this.append(1, false);
  }
}

Deno.test("createFileSource() delivers every line exactly once over random rotations and restarts", async () => {
  await fc.assert(
    fc.asyncProperty(acts, fc.constantFrom("access.log", "access.log*"), async (script, path) => {
      await using rig = new FileRig({ path });
      const writer = new Writer(rig);
      writer.append(1, false);
      await rig.all();
      for (const act of script) {
        switch (act.act) {
          case "append":
            writer.append(act.lines, act.partial);
            break;
          case "rotate":
            writer.rotate(act.by);
            break;
          case "read":
            for (let i = 0; i < act.times; i++) await rig.step();
            break;
          case "commit":
            if (rig.position !== null) rig.commit();
            break;
          case "settle":
            await rig.all();
            break;
          case "restart":
            await rig.restart();
            break;
        }
        assert(rig.seen.every((event) => event.kind !== "stopped"), JSON.stringify(rig.seen.at(-1)));
      }
      writer.end();
      assertEquals(await rig.all(), writer.written);
    }),
    { numRuns: 150 },
  );
});
