// /openapi.json: the document generated from the routes' own schemas. No I/O.
import type { App } from "./deps.ts";

export type OpenApiDocument = ReturnType<App["getOpenAPI31Document"]>;

/** The document of all registered routes; made once. */
export function openApiDocument(app: App, version: string): () => OpenApiDocument {
  let document: OpenApiDocument | undefined;
  return () =>
    document ??= app.getOpenAPI31Document({
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
        { name: "Pipeline", description: "What the stream does, and proof that it adds up." },
        { name: "Health", description: "For orchestrators and monitoring." },
      ],
    });
}

/** Registers `/openapi.json`. Call after every other resource. */
export function registerOpenApi(app: App, document: () => OpenApiDocument): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  app.openAPIRegistry.registerComponent("securitySchemes", "basic", { type: "http", scheme: "basic" });
  app.get("/openapi.json", (c) => c.json(document(), 200, { "cache-control": "private, max-age=60" }));
}
