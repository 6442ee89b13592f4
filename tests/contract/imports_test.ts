// The shape of the house: imports go one way, types too, and nothing is dead or circular.
import { assertEquals } from "@std/assert";
import { walkFiles } from "../support/files.ts";
import { modules, ROOT } from "../support/modules.ts";

/** What each part may import, beside itself. A name with a file ending means that file alone. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  geo: ["shared"],
  breakdown: ["shared"],
  event: ["shared", "breakdown", "geo/port.ts"],
  window: ["shared", "breakdown", "event/types.ts", "source/port.ts"],
  source: ["shared"],
  store: [
    "shared",
    "breakdown",
    "window",
    "event/types.ts",
    "event/stream_rules.ts",
    "geo/port.ts",
    "source/port.ts",
    // The one rule of channels: chunks carry the channel of each hit.
    "report/referrer_channel.ts",
    // Ports of the file source that PostgreSQL implements.
    "source/lease.ts",
    "source/file/generations.ts",
  ],
  report: ["shared"],
  notify: ["shared", "report"],
  operate: ["shared", "breakdown", "window", "store", "event", "geo", "source"],
  http: ["shared", "report", "geo/geo_state.ts"],
  engine: [
    "shared",
    "breakdown",
    "window",
    "store",
    "event/types.ts",
    "event/stream_rules.ts",
    "geo/port.ts",
    "source/port.ts",
  ],
  "pipeline.ts": ["shared", "engine", "window", "store/closer.ts", "source/port.ts"],
  app: [
    "shared",
    "breakdown",
    "window",
    "store",
    "event",
    "geo",
    "source",
    "report",
    "notify",
    "operate",
    "http",
    "pipeline.ts",
  ],
  cli: [
    "shared",
    "breakdown",
    "window",
    "store",
    "event",
    "geo",
    "source",
    "report",
    "operate",
    "http",
    "pipeline.ts",
    "app",
  ],
  "main.ts": ["cli", "geo/install/bundled_npm.ts"],
  "module.ts": ["cli"],
  "serve.ts": ["shared", "store/postgres/client.ts", "app/web.ts"],
};

const partOf = (path: string) => path.includes("/") ? path.slice(0, path.indexOf("/")) : path;

Deno.test("imports go one way", async () => {
  const wrong: string[] = [];
  for (const { path, imports } of await modules()) {
    const part = partOf(path);
    const allowed = MAY_IMPORT[part];
    if (!allowed) wrong.push(`${path}: no rule for ${part}`);
    for (const target of imports) {
      if (
        partOf(target.path) === part || allowed?.some((name) => name === target.path || name === partOf(target.path))
      ) continue;
      wrong.push(`${path} → ${target.path}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("no part may import one that imports it", () => {
  const below = (part: string) => MAY_IMPORT[part]!.map(partOf).filter((name) => name !== part);
  const wrong: string[] = [];
  const visit = (part: string, trail: readonly string[]) => {
    if (trail.includes(part)) return void wrong.push([...trail.slice(trail.indexOf(part)), part].join(" → "));
    for (const name of below(part)) visit(name, [...trail, part]);
  };
  for (const part of Object.keys(MAY_IMPORT)) visit(part, []);
  assertEquals(wrong, []);
});

Deno.test("no file imports itself through others, by types either", async () => {
  const all = new Map((await modules()).map((module) => [module.path, module]));
  const state = new Map<string, "open" | "done">();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") return void cycles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
    state.set(path, "open");
    for (const target of all.get(path)?.imports ?? []) visit(target.path, [...trail, path]);
    state.set(path, "done");
  };
  for (const path of all.keys()) visit(path, []);
  assertEquals(cycles, []);
});

Deno.test("every file is reached from main.ts, module.ts or serve.ts, or from a tool that builds the program", async () => {
  const all = new Map((await modules()).map((module) => [module.path, module]));
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const target of all.get(path)?.imports ?? []) visit(target.path);
  };
  visit("main.ts");
  visit("module.ts");
  visit("serve.ts");
  const tools = new URL("tools/", ROOT);
  for await (const path of walkFiles(tools)) {
    const text = await Deno.readTextFile(new URL(path, tools));
    for (const [, target] of text.matchAll(/"\.\.\/src\/([^"]+\.tsx?)"/g)) visit(target!);
  }
  assertEquals([...all.keys()].filter((path) => !seen.has(path)), []);
});
