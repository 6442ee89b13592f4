// Reads the sources below src/ for tests of the code's structure: text, first lines, imports, and what each file does that is not pure. I/O.
import { walkFiles } from "./files.ts";

export const ROOT = new URL("../../", import.meta.url);

export interface Import {
  /** Below src, or the specifier of a package. */
  readonly path: string;
  readonly typeOnly: boolean;
}

export interface Module {
  /** Below src. */
  readonly path: string;
  readonly text: string;
  /** The comment lines at the top, as one text. */
  readonly header: string;
  /** Modules of ours. */
  readonly imports: readonly Import[];
  /** Packages and `node:` modules. */
  readonly packages: readonly Import[];
}

/** All TypeScript files below src, by path. */
export async function modules(): Promise<Module[]> {
  const src = new URL("src/", ROOT);
  const found: Module[] = [];
  for await (const path of walkFiles(src)) {
    if (!/\.tsx?$/.test(path)) continue;
    const text = await Deno.readTextFile(new URL(path, src));
    const written = [...text.matchAll(/^(?:import|export)\s+(type\s+)?([^'"`;]*?from\s+)?"([^"]+)"/gm)].map(
      ([, type, names, name]) => ({
        name: name!,
        typeOnly: type !== undefined || (names !== undefined && /^\{(\s*type\s[^,}]+,?)+\s*\}/.test(names)),
      }),
    );
    const dynamic = [...text.matchAll(/(?:import\(|new URL\()\s*"(\.[^"]+\.tsx?)"/g)].map((m) => ({
      name: m[1]!,
      typeOnly: false,
    }));
    const all = [...written, ...dynamic].map(({ name, typeOnly }) => ({
      path: name.startsWith(".") ? new URL(name, new URL(path, src)).href.slice(src.href.length) : name,
      typeOnly,
      ours: name.startsWith("."),
    }));
    found.push({
      path,
      text,
      header: (text.match(/^(?:\/\/.*\n)+/)?.[0] ?? "").replace(/^\/\/ ?/gm, "").replaceAll("\n", " "),
      imports: all.filter(({ path, ours }) => ours && /\.tsx?$/.test(path)),
      packages: all.filter(({ ours }) => !ours),
    });
  }
  return found.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Packages that do I/O, by the beginning of their names. */
const IO_PACKAGES = [
  "node:fs",
  "node:net",
  "node:tls",
  "node:dns",
  "node:http",
  "node:https",
  "node:child_process",
  "node:os",
  "node:process",
  "node:worker_threads",
  "node:stream",
  "@electric-sql/pglite",
  "@hono/node-server",
  "kafkajs",
  "postgres",
];

/** Globals that use the clock, randomness, the network or the system, or change the process. */
const IMPURE_GLOBALS = [
  "fetch",
  "setTimeout",
  "setInterval",
  "Worker",
  "WebSocket",
  "navigator",
  "console",
  "process",
  "confirm",
];
/** Members of globals that do the same. */
const IMPURE_MEMBERS: Readonly<Record<string, RegExp>> = {
  Date: /^now$/,
  Math: /^random$/,
  performance: /^now$/,
  crypto: /^(getRandomValues|randomUUID)$/,
  Deno: /^(?!errors$)/,
  AbortSignal: /^timeout$/,
  Temporal: /^Now$/,
};
/** Methods that change what they are called on. */
const MUTATORS = [
  "push",
  "pop",
  "shift",
  "unshift",
  "splice",
  "sort",
  "reverse",
  "fill",
  "set",
  "delete",
  "clear",
  "add",
];

/** What a file does besides computing: each as a few words with its line. */
export interface Effects {
  /** Clock, randomness, network, files, process. */
  readonly impure: readonly string[];
  /** Parameters that functions change, or whose contents they change. */
  readonly mutates: readonly string[];
}

// deno-lint-ignore no-explicit-any
type Node = any;

/** Reads the syntax tree of a module and ignores types. Only inside a test, because Deno offers its parser only there. */
export function effectsOf({ path, text, packages }: Module): Effects {
  const impure: string[] = packages.filter((one) =>
    !one.typeOnly && IO_PACKAGES.some((name) => one.path === name || one.path.startsWith(`${name}/`))
  ).map((one) => `import of ${one.path}`);
  const mutates: string[] = [];
  const lineAt = (node: Node) => text.slice(0, node.range[0]).split("\n").length;

  const rootOf = (node: Node): Node => {
    let at = node;
    while (at.type === "MemberExpression" || at.type === "TSNonNullExpression" || at.type === "TSAsExpression") {
      at = at.object ?? at.expression;
    }
    return at;
  };
  /** Exported functions and public methods. Helpers are left out: what they change was mostly made by their callers. */
  const isPublic = ({ type, parent }: Node) =>
    type === "FunctionDeclaration"
      ? parent.type === "ExportNamedDeclaration"
      : parent.type === "MethodDefinition" && parent.key.type !== "PrivateIdentifier";
  /** Whether the nearest declaration of the name is a parameter of a public function. */
  const isParameter = (node: Node): boolean => {
    if (node.type !== "Identifier") return false;
    for (let at = node.parent; at; at = at.parent) {
      if (/Function/.test(at.type) && at.params) {
        const plain = at.params.some((p: Node) =>
          (p.type === "Identifier" ? p : p.type === "AssignmentPattern" ? p.left : null)?.name === node.name
        );
        if (plain) return isPublic(at);
      }
      if (at.type === "BlockStatement" || at.type === "Program") {
        const declared = at.body.some((s: Node) =>
          s.type === "VariableDeclaration" && s.declarations.some((d: Node) => d.id.name === node.name)
        );
        if (declared) return false;
      }
    }
    return false;
  };
  const changed = (target: Node) => {
    if (target.type !== "MemberExpression" || !isParameter(rootOf(target))) return;
    mutates.push(`${lineAt(target)}: ${text.slice(target.range[0], target.range[1])}`);
  };

  Deno.lint.runPlugin(
    {
      name: "house",
      rules: {
        effects: {
          create: () => ({
            CallExpression(node: Node) {
              const { callee } = node;
              if (
                callee.type === "Identifier" && IMPURE_GLOBALS.includes(callee.name) && !declares(text, callee.name)
              ) {
                impure.push(`${lineAt(node)}: ${callee.name}()`);
              }
              if (callee.type === "MemberExpression" && MUTATORS.includes(callee.property.name ?? "")) {
                changed(callee);
              }
            },
            NewExpression(node: Node) {
              const { name } = node.callee;
              if (IMPURE_GLOBALS.includes(name) || (name === "Date" && node.arguments.length === 0)) {
                impure.push(`${lineAt(node)}: new ${name}()`);
              }
            },
            MemberExpression(node: Node) {
              const global = node.object.type === "Identifier" ? node.object.name : "";
              if (["navigator", "console", "process"].includes(global)) impure.push(`${lineAt(node)}: ${global}`);
              const members = Object.hasOwn(IMPURE_MEMBERS, global) ? IMPURE_MEMBERS[global]! : undefined;
              if (members?.test(node.property.name ?? "")) {
                impure.push(`${lineAt(node)}: ${global}.${node.property.name}`);
              }
            },
            AssignmentExpression(node: Node) {
              changed(node.left);
            },
            UpdateExpression(node: Node) {
              changed(node.argument);
            },
          }),
        },
      },
    },
    path.endsWith("x") ? "file.tsx" : "file.ts",
    text,
  );
  return { impure, mutates };
}

/** Whether a file declares or imports a name itself, so that it is not a global there. */
const declares = (text: string, name: string) =>
  new RegExp(`(?:function|const|let|class)\\s+${name}\\b|[{,]\\s*${name}\\s*[,}]`).test(text);
