// /v1/views, /v1/notes and /v1/deliveries: saved views, notes on days, and messages. Reads and writes the database.
import { createRoute, z } from "@hono/zod-openapi";
import { requireWriter } from "../../server/writing.ts";
import type { App, AppDeps } from "../../server/deps.ts";
import { badField, HttpProblem } from "../../server/problem.ts";
import { queryOf } from "../../server/validation.ts";
import { documentedProblem, jsonResponses, limitField, withIso } from "../schemas.ts";
import {
  addNote,
  dayField,
  type DayNote,
  deliverySchema,
  NOTES_MAX,
  noteSchema,
  noteText,
  readDeliveries,
  readNotes,
  readViews,
  removeNote,
  removeView,
  saveView,
  viewName,
  viewQuery,
  VIEWS_MAX,
  viewSchema,
} from "./kept_store.ts";

const WRITES = "Needs API_ADMIN_TOKEN if it is set. Only `tidemark run` and `tidemark dev` write.";
const nameParameter = z.object({ name: viewName.openapi({ param: { name: "name", in: "path" }, example: "Germany" }) });
const idParameter = z.object({
  id: z.string().regex(/^\d{1,15}$/, "must be a number").transform(Number)
    .openapi({ param: { name: "id", in: "path" }, type: "integer", example: 1 }),
});
const { 200: _ok, ...refused } = jsonResponses(z.unknown(), "");
const gone = { 204: { description: "Removed." }, 404: documentedProblem("There was nothing to remove."), ...refused };
const json = <S extends z.ZodType>(schema: S) => ({
  body: { content: { "application/json": { schema } }, required: true },
});
const tags = ["Kept"];

const listViews = createRoute({
  method: "get",
  path: "/v1/views",
  tags,
  summary: "Saved views of the overview",
  request: { query: queryOf({}) },
  responses: jsonResponses(z.strictObject({ views: z.array(viewSchema) }).openapi("Views"), "All views, by name."),
});
const putView = createRoute({
  method: "put",
  path: "/v1/views/{name}",
  tags,
  summary: "Save a view",
  description: `Replaces a view of the same name. ${WRITES}`,
  request: { params: nameParameter, ...json(z.strictObject({ query: viewQuery })) },
  responses: jsonResponses(z.strictObject({ name: viewName, query: viewQuery }), "The view."),
});
const deleteView = createRoute({
  method: "delete",
  path: "/v1/views/{name}",
  tags,
  summary: "Remove a view",
  description: WRITES,
  request: { params: nameParameter },
  responses: gone,
});
const listNotes = createRoute({
  method: "get",
  path: "/v1/notes",
  tags,
  summary: "Notes on days",
  request: { query: queryOf({ from: dayField.optional(), to: dayField.optional() }) },
  responses: jsonResponses(
    z.strictObject({ notes: z.array(noteSchema) }).openapi("Notes"),
    "The notes, oldest day first.",
  ),
});
const postNote = createRoute({
  method: "post",
  path: "/v1/notes",
  tags,
  summary: "Add a note to a day",
  description: `The chart shows it. ${WRITES}`,
  request: json(z.strictObject({ day: dayField, note: noteText })),
  responses: { ...jsonResponses(noteSchema, "The note.") },
});
const deleteNote = createRoute({
  method: "delete",
  path: "/v1/notes/{id}",
  tags,
  summary: "Remove a note",
  description: WRITES,
  request: { params: idParameter },
  responses: gone,
});
const listDeliveries = createRoute({
  method: "get",
  path: "/v1/deliveries",
  tags,
  summary: "Reports and alerts that were made, newest first",
  request: { query: queryOf({ limit: limitField }) },
  responses: jsonResponses(
    z.strictObject({ deliveries: z.array(deliverySchema) }).openapi("Deliveries"),
    "The messages.",
  ),
});

/** Registers all routes. */
export function registerKept(app: App, deps: AppDeps): void {
  const { database, settings: { queryTimeoutMs } } = deps;
  app.openapi(listViews, async (c) => {
    const views = await readViews(database, queryTimeoutMs);
    return c.json({ views: views.map((view) => withIso(view, "updated_at")) }, 200);
  });
  app.openapi(putView, async (c) => {
    const view = { name: c.req.valid("param").name, query: c.req.valid("json").query };
    if (!await saveView(requireWriter(c, deps), view, queryTimeoutMs)) throw tooMany("name", VIEWS_MAX);
    return c.json(view, 200);
  });
  app.openapi(deleteView, async (c) => {
    if (!await removeView(requireWriter(c, deps), c.req.valid("param").name, queryTimeoutMs)) throw missing("view");
    return c.body(null, 204);
  });
  app.openapi(listNotes, async (c) => {
    const notes = await readNotes(database, c.req.valid("query"), queryTimeoutMs);
    return c.json({ notes: notes.map(noteView) }, 200);
  });
  app.openapi(postNote, async (c) => {
    const note = await addNote(requireWriter(c, deps), c.req.valid("json"), queryTimeoutMs);
    if (note === null) throw tooMany("note", NOTES_MAX);
    return c.json(noteView(note), 200);
  });
  app.openapi(deleteNote, async (c) => {
    if (!await removeNote(requireWriter(c, deps), c.req.valid("param").id, queryTimeoutMs)) throw missing("note");
    return c.body(null, 204);
  });
  app.openapi(listDeliveries, async (c) => {
    const rows = await readDeliveries(database, c.req.valid("query").limit, queryTimeoutMs);
    return c.json({ deliveries: rows.map((row) => withIso(row, "created_at", "next_attempt_at", "sent_at")) }, 200);
  });
}

const noteView = (note: DayNote) => withIso(note, "created_at");
const missing = (what: string) => new HttpProblem("not_found", `There is no such ${what}.`);

/** The problem of a full list. */
export const tooMany = (field: string, max: number) =>
  badField(field, `cannot be added: there are ${max} already, remove one`);
