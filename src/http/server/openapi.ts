// /openapi.json, generated from the schemas of the routes, with names of operations and common headers. No I/O.
import type { App } from "./deps.ts";

export type OpenApiDocument = ReturnType<App["getOpenAPI31Document"]>;

/** The document of all registered routes, made once. */
export function openApiDocument(app: App, version: string): () => OpenApiDocument {
  let document: OpenApiDocument | undefined;
  return () =>
    document ??= completed(app.getOpenAPI31Document({
      openapi: "3.1.0",
      info: {
        title: "Tidemark",
        version,
        description:
          "Geolocated, exactly-once counts of web traffic in five-minute windows. Errors are application/problem+json. Times are RFC 3339 in UTC.",
        license: { name: "Apache-2.0" },
      },
      servers: [{ url: "/" }],
      security: [{}, { bearer: [] }, { basic: [] }],
      tags: [
        { name: "Reports", description: "What people read." },
        { name: "Charts", description: "The same as pictures." },
        { name: "Kept", description: "What readers keep beside the numbers, and the messages that were sent." },
        { name: "Pipeline", description: "What the stream does, and proof that it adds up." },
        { name: "Health", description: "For orchestrators and monitoring." },
      ],
    }));
}

/** Paths without a limit of requests, and so without its headers. */
const UNCOUNTED: ReadonlySet<string> = new Set(["/livez", "/readyz"]);
const RATE_HEADERS = {
  "RateLimit-Limit": "Requests that a client which was quiet may make at once.",
  "RateLimit-Remaining": "Requests that are left right now.",
  "RateLimit-Reset": "Seconds until all of them are there again.",
} as const;

/** Name of an operation in generated clients: `GET /v1/windows/{start}/explain` is `getWindowsStartExplain`. */
function operationIdOf(method: string, path: string): string {
  const words = path.replace(/^\/v1\//, "").split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return method + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
}

/** Adds the name to each operation, and the rate-limit headers to each answer. */
function completed(document: OpenApiDocument): OpenApiDocument {
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(item as Record<string, Operation>)) {
      operation.operationId = operationIdOf(method, path);
      if (UNCOUNTED.has(path)) continue;
      for (const response of Object.values(operation.responses)) {
        response.headers = Object.fromEntries(
          Object.keys(RATE_HEADERS).map((name) => [name, { $ref: `#/components/headers/${name}` }]),
        );
      }
    }
  }
  const headers = Object.entries(RATE_HEADERS).map(([name, description]) =>
    [name, { description, schema: { type: "integer" as const } }] as const
  );
  document.components = { ...document.components, headers: Object.fromEntries(headers) };
  return document;
}

/** The parts of an operation that are added. */
interface Operation {
  operationId?: string;
  readonly responses: Readonly<Record<string, { headers?: Record<string, unknown> }>>;
}

/** Registers `/openapi.json`. Call after every other resource. */
export function registerOpenApi(app: App, document: () => OpenApiDocument): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  app.openAPIRegistry.registerComponent("securitySchemes", "basic", { type: "http", scheme: "basic" });
  app.get("/openapi.json", (c) => c.json(document(), 200, { "cache-control": "private, max-age=60" }));
}
