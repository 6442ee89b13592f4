// What the first lines of a file say about its effects is true: "Pure", "No I/O" and "Shell" are exact words, held against imports and syntax.
import { assertEquals } from "@std/assert";
import { effectsOf, type Module, modules } from "../support/modules.ts";

/** Folders and files that wire and run: they may do I/O without saying so. */
const WIRING = ["app/", "cli/", "main.ts", "module.ts"];

/** Files that use something of a shell or of a client library without doing I/O by it, each with its reason. */
const HARMLESS: Readonly<Record<string, string>> = {
  "source/kafka/log.ts": "takes the table of log levels from kafkajs",
  "source/kafka/fetch_hook.ts": "takes kafkajs' tables of protocols from internals.ts",
  "geo/shared_geo.ts": "opens bytes that lie in memory with openMmdbBytes",
};

const wires = ({ path }: Module) => WIRING.some((name) => path.startsWith(name));
const isShell = (module: Module) => wires(module) || /\bShell\b/.test(module.header);
/** Says that it does no I/O itself, nor through what it is given. */
const claims = ({ header }: Module) => /\b(?:Pure|No I\/O)\b(?! but)/.test(header);

Deno.test("clock, randomness, network and system are asked in shells only", async () => {
  const wrong = (await modules()).filter((module) => !isShell(module) && !(module.path in HARMLESS))
    .flatMap((module) => effectsOf(module).impure.map((effect) => `${module.path}: ${effect}`));
  assertEquals(wrong, [], "add the word Shell to the first lines, or pass the clock, the bytes or the answer in");
});

Deno.test("a file that says Pure or No I/O does none, and calls no shell", async () => {
  const all = new Map((await modules()).map((module) => [module.path, module]));
  const wrong: string[] = [];
  for (const module of all.values()) {
    if (!claims(module) || module.path in HARMLESS) continue;
    wrong.push(...effectsOf(module).impure.map((effect) => `${module.path}: ${effect}`));
    for (const { path, typeOnly } of module.imports) {
      const target = all.get(path)!;
      if (!typeOnly && /\bShell\b/.test(target.header)) wrong.push(`${module.path} imports the shell ${path}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("a pure file's functions do not change what they are given", async () => {
  const wrong = (await modules()).filter(({ header }) => /\bPure\b/.test(header))
    .flatMap((module) => effectsOf(module).mutates.map((change) => `${module.path}:${change}`));
  assertEquals(wrong, [], 'say "No I/O; changes …" in the first lines, or return a new value');
});

Deno.test("a shell waits for something", async () => {
  const wrong = (await modules()).filter((module) => /\bShell\b/.test(module.header)).filter((module) =>
    effectsOf(module).impure.length === 0 && !/\b(?:await|Promise)\b/.test(module.text)
  ).map(({ path }) => path);
  assertEquals(wrong, []);
});

Deno.test("effectsOf() finds what is impure and what is changed, and no more", () => {
  const of = (text: string) => effectsOf({ path: "x.ts", text, header: "", imports: [], packages: [] });
  for (
    const text of [
      "Date.now();",
      "new Date();",
      "Math.random();",
      "fetch(a);",
      "Deno.readTextFile(p);",
      "crypto.randomUUID();",
      "new Worker(u);",
      "console.log(1);",
      "setTimeout(f, 1);",
    ]
  ) assertEquals(of(text).impure.length, 1, text);
  for (
    const text of [
      "new Date(5);",
      "Math.floor(1);",
      "crypto.subtle.digest(a, b);",
      "throw new Deno.errors.NotFound();",
      "const fetch = () => 1; fetch();",
      "type A = typeof Date.now;",
    ]
  ) assertEquals(of(text).impure, [], text);
  for (
    const text of [
      "export function f(a: { b: number }) { a.b = 1; }",
      "export function f(a: { b: number[] }) { for (const x of y) a.b.push(x); }",
      "export class A { f(a: { b: number }) { a.b++; } }",
    ]
  ) assertEquals(of(text).mutates.length, 1, text);
  for (
    const text of [
      "export function f(a: number) { const b: number[] = []; b.push(a); return b; }",
      "export function f(a: number) { a = 1; return a; }",
      "export function f(a: number[]) { return a.map((x) => x + 1); }",
      "function f(a: Map<string, number>) { a.set('', 1); } export const g = () => f(new Map());",
    ]
  ) assertEquals(of(text).mutates, [], text);
});
