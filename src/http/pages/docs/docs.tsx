// /docs: the OpenAPI document as a page, with its own style and no other asset. No I/O.
import { raw } from "hono/html";
import type { App } from "../../server/deps.ts";
import { docsOf, type OperationDoc, type TagDoc } from "./docs_view.ts";
import { nonceOf } from "../../server/headers.ts";
import type { OpenApiDocument } from "../../server/openapi.ts";
import { PROBLEMS } from "../../server/problem.ts";
import type { Markup } from "../markup.tsx";

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d5dae1, #3a424d); --soft: light-dark(#f4f6f8, #1b2027); --link: light-dark(#0b57a4, #8ab8f0); }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; background: light-dark(#fff, #12161b); color: light-dark(#1b232c, #dfe5ec) }
a { color: var(--link) }
code, pre { font: .9em/1.45 ui-monospace, monospace }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: .4rem; padding: .75rem; overflow-x: auto; max-height: 24rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line) }
section > section { border-top: 1px solid var(--line); padding-top: .5rem; margin-top: 1.5rem }
.wide { overflow-x: auto }
nav ul { columns: 18rem; padding-left: 1.2rem }
h3 { font-family: ui-monospace, monospace; font-size: 1.05rem; overflow-wrap: anywhere }
`;

/** Registers the page. */
export function registerDocs(app: App, document: () => OpenApiDocument): void {
  app.get("/docs", async (c) => {
    const { info } = document();
    const tags = docsOf(document());
    const origin = new URL(c.req.url).origin;
    const page = await (
      <>
        {raw("<!doctype html>")}
        <html lang="en">
          <head>
            <meta charset="utf-8" />
            <meta name="viewport" content="width=device-width, initial-scale=1" />
            <title>Tidemark {info.version}: API</title>
            <link rel="icon" href="data:," />
            <style nonce={nonceOf(c)}>{raw(STYLE)}</style>
          </head>
          <body>
            <header>
              <h1>Tidemark {info.version}: API</h1>
              <p>{info.description ?? ""}</p>
              <p>
                This page is made from <a href="/openapi.json">/openapi.json</a>. <a href="/">Overview</a> ·{" "}
                <a href="/pipeline">Pipeline</a>
              </p>
            </header>
            <nav aria-label="Operations">
              <ul>
                {tags.flatMap((tag) => tag.operations).map((o) => (
                  <li>
                    <a href={`#${o.id}`}>
                      <code>{o.path}</code>
                    </a>
                  </li>
                ))}
              </ul>
            </nav>
            <main>
              {tags.map((tag) => tagSection(tag, origin))}
              <section id="problems">
                <h2>Problems</h2>
                <p>
                  Errors are <code>application/problem+json</code> (RFC 9457):{" "}
                  <code>type, title, status, code, detail, instance, request_id</code>, and <code>errors</code> with
                  {" "}
                  <code>field, message, allowed</code>.
                </p>
                {table(
                  ["Code", "Status", "Meaning"],
                  Object.entries(PROBLEMS).map(([code, { status, title }]) => (
                    <tr>
                      <td>
                        <code>{code}</code>
                      </td>
                      <td>{status}</td>
                      <td>{title}</td>
                    </tr>
                  )),
                )}
              </section>
            </main>
          </body>
        </html>
      </>
    );
    return c.html(page);
  });
}

function tagSection(tag: TagDoc, origin: string) {
  return (
    <section>
      <h2>{tag.name}</h2>
      <p>{tag.description}</p>
      {tag.operations.map((operation) => operationSection(operation, origin))}
    </section>
  );
}

function operationSection(operation: OperationDoc, origin: string) {
  return (
    <section id={operation.id}>
      <h3>{operation.method} {operation.path}</h3>
      <p>{operation.summary}. {operation.description}</p>
      {operation.parameters.length === 0 ? "" : table(
        ["Parameter", "Value", "Meaning"],
        operation.parameters.map((p) => (
          <tr>
            <td>
              <code>{p.name}</code>
              {p.required ? " (required)" : ""}
            </td>
            <td>{p.type}</td>
            <td>{p.description}</td>
          </tr>
        )),
      )}
      {table(
        ["Status", "Answer", "Type"],
        operation.responses.map((r) => (
          <tr>
            <td>{r.status}</td>
            <td>{r.description}</td>
            <td>
              <code>{r.types}</code>
            </td>
          </tr>
        )),
      )}
      {operation.method !== "GET" ? "" : (
        <p>
          Try it:{" "}
          <a href={operation.call}>
            <code>{operation.call}</code>
          </a>
        </p>
      )}
      <pre tabindex={0}><code>{curl(operation, origin)}</code></pre>
      {operation.answer === null ? "" : (
        <details>
          <summary>Shape of the answer</summary>
          <pre tabindex={0}><code>{operation.answer}</code></pre>
        </details>
      )}
    </section>
  );
}

function curl({ method, call, body }: OperationDoc, origin: string): string {
  const how = method === "GET" ? "" : ` -X ${method}`;
  const sent = body === null ? "" : ` -H 'content-type: application/json' -d '${body}'`;
  return `curl${how} '${origin}${call}'${sent}`;
}

/** A table that scrolls in a narrow page. */
function table(columns: readonly string[], rows: readonly Markup[]): Markup {
  return (
    <div class="wide" tabindex={0} role="group" aria-label="Table">
      <table>
        <thead>
          <tr>{columns.map((name) => <th scope="col">{name}</th>)}</tr>
        </thead>
        <tbody>{rows}</tbody>
      </table>
    </div>
  );
}
