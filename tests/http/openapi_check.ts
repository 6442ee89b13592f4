// Holds answers against the OpenAPI document: its schemas are JSON Schema 2020-12, so a plain validator does.
import { Ajv2020 } from "ajv/dist/2020.js";

interface Document {
  readonly paths: Readonly<
    Record<string, {
      readonly get: {
        readonly responses: Readonly<
          Record<string, { readonly content: Readonly<Record<string, { readonly schema: object }>> }>
        >;
      };
    }>
  >;
}

/** What of `body` does not fit the document's schema for that answer; empty = it fits. */
export function fitsDocument(document: Document, url: string, status: number, body: unknown): string[] {
  const path = url.split("?")[0]!;
  const template = Object.keys(document.paths).find((known) =>
    new RegExp(`^${known.replace(/\{\w+\}/g, "[^/]+")}$`).test(path)
  );
  if (template === undefined) return [`${path} is not in the document`];
  const content = document.paths[template]!.get.responses[status]?.content ?? {};
  const schema = (content["application/json"] ?? content["application/problem+json"])?.schema;
  if (schema === undefined) return [`${path} has no schema for ${status}`];
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validate = ajv.compile({ ...document, ...schema });
  return validate(body) ? [] : (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message}`);
}
