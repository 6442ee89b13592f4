// The shape of the house: imports go one way, nothing is dead or circular, and the clock, randomness and the system are asked in shells only.
import { assertEquals } from "@std/assert";
import { walkFiles } from "../support/files.ts";

const ROOT = new URL("../../", import.meta.url);

/** What each part may import, beside itself. A name with a file ending means that file alone. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  geo: ["shared"],
  event: ["shared", "geo/port.ts"],
  window: ["shared", "event/types.ts", "store/port.ts", "source/port.ts"],
  source: ["shared"],
  store: [
    "shared",
    "window",
    "event/types.ts",
    "event/stream_rules.ts",
    "geo/port.ts",
    "source/port.ts",
    // Ports of the file source that PostgreSQL implements.
    "source/file/lease.ts",
    "source/file/generations.ts",
  ],
  report: ["shared"],
  operate: ["shared", "window", "store", "event", "geo", "source"],
  http: ["shared", "report", "geo/geo_state.ts"],
  engine: ["shared", "window", "store", "event/types.ts", "event/stream_rules.ts", "geo/port.ts", "source/port.ts"],
  "pipeline.ts": ["shared", "engine", "window", "store/closer.ts", "source/port.ts"],
  app: ["shared", "window", "store", "event", "geo", "source", "report", "operate", "http", "pipeline.ts", "cli"],
  cli: ["shared", "window", "store", "event", "geo", "source", "report", "operate", "http", "pipeline.ts", "app"],
  "main.ts": ["cli", "geo/install/bundled_npm.ts"],
  "module.ts": ["cli"],
};

interface Module {
  /** Path below src. */
  readonly path: string;
  readonly text: string;
  /** Paths below src. */
  readonly imports: readonly { readonly path: string; readonly typeOnly: boolean }[];
}

async function modules(): Promise<Module[]> {
  const src = new URL("src/", ROOT);
  const found: Module[] = [];
  for await (const path of walkFiles(src)) {
    if (!/\.tsx?$/.test(path)) continue;
    const text = await Deno.readTextFile(new URL(path, src));
    const imports = [...text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^'"`;]*?from\s+)?"(\.[^"]+)"/gm)].map((
      m,
    ) => ({ name: m[2]!, typeOnly: m[1] !== undefined }));
    const dynamic = [...text.matchAll(/(?:import\(|new URL\()\s*"(\.[^"]+\.tsx?)"/g)].map((m) => ({
      name: m[1]!,
      typeOnly: false,
    }));
    found.push({
      path,
      text,
      imports: [...imports, ...dynamic].filter(({ name }) => /\.tsx?$/.test(name))
        .map(({ name, typeOnly }) => ({
          path: new URL(name, new URL(path, src)).href.slice(src.href.length),
          typeOnly,
        })),
    });
  }
  return found.sort((a, b) => a.path < b.path ? -1 : 1);
}

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

Deno.test("no file imports itself through others", async () => {
  const all = new Map((await modules()).map((module) => [module.path, module]));
  const state = new Map<string, "open" | "done">();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") return void cycles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
    state.set(path, "open");
    for (const target of all.get(path)?.imports ?? []) if (!target.typeOnly) visit(target.path, [...trail, path]);
    state.set(path, "done");
  };
  for (const path of all.keys()) visit(path, []);
  assertEquals(cycles, []);
});

Deno.test("every file is reached from main.ts or module.ts, or from a tool that builds the program", async () => {
  const all = new Map((await modules()).map((module) => [module.path, module]));
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const target of all.get(path)?.imports ?? []) visit(target.path);
  };
  visit("main.ts");
  visit("module.ts");
  const tools = new URL("tools/", ROOT);
  for await (const path of walkFiles(tools)) {
    const text = await Deno.readTextFile(new URL(path, tools));
    for (const [, target] of text.matchAll(/"\.\.\/src\/([^"]+\.tsx?)"/g)) visit(target!);
  }
  assertEquals([...all.keys()].filter((path) => !seen.has(path)), []);
});

Deno.test("pure files ask neither clock nor randomness nor system", async () => {
  // Shells are told by their first comment: it names the I/O, or says "Shell" or "composition root".
  const impure =
    /\b(Date\.now\(|new Date\(\)|Math\.random\(|setTimeout\(|setInterval\(|crypto\.(getRandomValues|randomUUID)\(|Deno\.(?!errors\b)[a-zA-Z]+|performance\.now\()/;
  const says =
    /shell|composition root|composition|I\/O|process|program|clock|writes|reads|loads|opens|starts|serves|command|`tidemark/i;
  const wrong: string[] = [];
  for (const { path, text } of await modules()) {
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "").replace(/\/\/ .*$/gm, "");
    const asked = code.match(impure);
    if (!asked) continue;
    const head = text.match(/^(?:\/\/.*\n)+/)?.[0] ?? "";
    const pure = ["window/", "report/", "event/", "engine/"].some((folder) => path.startsWith(folder)) ||
      path === "pipeline.ts" ||
      /no i\/o|\bpure\b/i.test(head);
    if (pure || !says.test(head)) wrong.push(`${path}: ${asked[0]}`);
  }
  assertEquals(wrong, []);
});
