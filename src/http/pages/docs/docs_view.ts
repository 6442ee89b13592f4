// The data of /docs from the OpenAPI document: parameters, answers, and an example of each operation. Pure.
import type { OpenApiDocument } from "../../server/openapi.ts";

interface ParameterDoc {
  readonly name: string;
  readonly where: string;
  readonly required: boolean;
  /** Type, bounds or allowed values, in words. */
  readonly type: string;
  readonly description: string;
}

export interface OperationDoc {
  readonly id: string;
  /** In capitals. */
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly parameters: readonly ParameterDoc[];
  readonly responses: readonly { readonly status: string; readonly description: string; readonly types: string }[];
  /** Path and query that can be tried. */
  readonly call: string;
  /** A body to send, as JSON; null if none is taken. */
  readonly body: string | null;
  /** Shape of the JSON answer, indented; null if the answer is not JSON. */
  readonly answer: string | null;
}

export interface TagDoc {
  readonly name: string;
  readonly description: string;
  readonly operations: readonly OperationDoc[];
}

/** The shown parts of a generated schema. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly example?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

type Components = Readonly<Record<string, Schema>>;

interface Operation {
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly {
    name: string;
    in: string;
    required?: boolean;
    description?: string;
    schema?: Schema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Schema }>> };
  readonly responses?: Readonly<
    Record<string, { description: string; content?: Readonly<Record<string, { schema?: Schema }>> }>
  >;
}

/** Operations by tag, in the document's order. */
export function docsOf(document: OpenApiDocument): readonly TagDoc[] {
  const components = (document.components?.schemas ?? {}) as Components;
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Operation>).map(([method, operation]) => ({
      tag: operation.tags?.[0] ?? "",
      doc: operationDoc({ path, method: method.toUpperCase() }, operation, components),
    }))
  );
  return (document.tags ?? []).map(({ name, description }) => ({
    name,
    description: description ?? "",
    operations: operations.filter((o) => o.tag === name).map((o) => o.doc),
  })).filter((tag) => tag.operations.length > 0);
}

function operationDoc(
  { path, method }: Pick<OperationDoc, "path" | "method">,
  operation: Operation,
  components: Components,
): OperationDoc {
  const parameters = operation.parameters ?? [];
  const answer = operation.responses?.["200"]?.content?.["application/json"]?.schema;
  const body = operation.requestBody?.content["application/json"]?.schema;
  const filled = parameters.filter((p) => p.in === "path").reduce(
    (text, p) => text.replace(`{${p.name}}`, String(p.schema?.example ?? p.name)),
    path,
  );
  const query = parameters.filter((p) => p.in === "query" && (p.required || p.schema?.example !== undefined))
    .map((p) => `${p.name}=${encodeURIComponent(String(p.schema?.example ?? p.schema?.default ?? ""))}`);
  return {
    id: (method === "GET" ? "" : `${method.toLowerCase()}-`) +
      (path.replace(/[^a-z0-9]+/gi, "-").replace(/^-|-$/g, "") || "root"),
    method,
    path,
    summary: operation.summary ?? "",
    description: operation.description ?? "",
    parameters: parameters.map((p) => ({
      name: p.name,
      where: p.in,
      required: p.required === true,
      type: typeInWords(p.schema ?? {}),
      description: p.description ?? "",
    })),
    responses: Object.entries(operation.responses ?? {}).map(([status, response]) => ({
      status,
      description: response.description,
      types: Object.keys(response.content ?? {}).join(", "),
    })),
    call: query.length > 0 ? `${filled}?${query.join("&")}` : filled,
    body: body === undefined ? null : JSON.stringify(exampleOf(body, components, 0)),
    answer: answer === undefined ? null : JSON.stringify(exampleOf(answer, components, 0), null, 2),
  };
}

function typeInWords(schema: Schema): string {
  const words = schema.enum?.map(String).join(" | ") ??
    [schema.format ?? [schema.type ?? "text"].flat().join(" or "), bounds(schema)].filter(Boolean).join(", ");
  return schema.default === undefined ? words : `${words} (default ${String(schema.default)})`;
}

function bounds({ minimum, maximum }: Schema): string {
  return minimum !== undefined && maximum !== undefined ? `${minimum} to ${maximum}` : "";
}

/** An example built from the schema: no value in it was ever measured. */
function exampleOf(schema: Schema, components: Components, depth: number): unknown {
  if (schema.$ref !== undefined) {
    return exampleOf(components[schema.$ref.split("/").pop() ?? ""] ?? {}, components, depth + 1);
  }
  if (schema.example !== undefined) return schema.example;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  const parts = schema.anyOf ?? schema.oneOf;
  if (parts !== undefined) return exampleOf(parts.find((p) => p.type !== "null") ?? {}, components, depth + 1);
  if (schema.allOf !== undefined) {
    return Object.assign({}, ...schema.allOf.map((part) => exampleOf(part, components, depth + 1)));
  }
  // A schema that refers to itself must end somewhere.
  if (depth > 12) return null;
  if (schema.properties !== undefined) {
    return Object.fromEntries(
      Object.entries(schema.properties).map(([name, value]) => [name, exampleOf(value, components, depth + 1)]),
    );
  }
  const type = [schema.type].flat().find((t) => t !== "null");
  if (type === "array") return schema.items === undefined ? [] : [exampleOf(schema.items, components, depth + 1)];
  return type === "integer" || type === "number" ? 0 : type === "boolean" ? true : type === "string" ? "…" : null;
}
