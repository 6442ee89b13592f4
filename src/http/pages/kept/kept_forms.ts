// `POST /views` and `/notes`: the forms of the overview. Each ends on the page it came from. Writes the database.
import { tooMany } from "../../api/kept/kept.ts";
import {
  addNote,
  dayField,
  NOTES_MAX,
  noteText,
  removeNote,
  removeView,
  saveView,
  viewName,
  VIEWS_MAX,
} from "../../api/kept/kept_store.ts";
import type { App, AppContext, AppDeps } from "../../server/deps.ts";
import { badField } from "../../server/problem.ts";
import { requireWriter } from "../../server/writing.ts";
import { ownAddress } from "../login.ts";
import { pageHref, pageState } from "../page_query.ts";

/** Registers both. */
export function registerKeptForms(app: App, deps: AppDeps): void {
  const { settings: { queryTimeoutMs } } = deps;
  app.post("/views", async (c) => {
    const writes = requireWriter(c, deps), form = await fieldsOf(c);
    const name = checked(viewName, "name", form.name);
    if (form.do === "remove") await removeView(writes, name, queryTimeoutMs);
    else {
      // Only known parameters of the address are stored.
      const query = pageHref("", pageState(new URL(`http://page/?${form.query ?? ""}`))).slice(1);
      if (!await saveView(writes, { name, query }, queryTimeoutMs)) throw tooMany("name", VIEWS_MAX);
    }
    return c.redirect(ownAddress(form.next ?? ""), 303);
  });
  app.post("/notes", async (c) => {
    const writes = requireWriter(c, deps), form = await fieldsOf(c);
    if (form.do === "remove") {
      await removeNote(writes, Number(/^\d{1,15}$/.exec(form.id ?? "")?.[0] ?? 0), queryTimeoutMs);
    } else {
      const note = { day: checked(dayField, "day", form.day), note: checked(noteText, "note", form.note) };
      if (await addNote(writes, note, queryTimeoutMs) === null) throw tooMany("note", NOTES_MAX);
    }
    return c.redirect(ownAddress(form.next ?? ""), 303);
  });
}

async function fieldsOf(c: AppContext): Promise<Readonly<Record<string, string>>> {
  const form = await c.req.parseBody();
  return Object.fromEntries(
    Object.entries(form).flatMap(([name, value]) => typeof value === "string" ? [[name, value]] : []),
  );
}

/** @throws HttpProblem if the field does not fit */
function checked(schema: typeof viewName | typeof dayField, field: string, value: string | undefined): string {
  const result = schema.safeParse(value ?? "");
  if (!result.success) throw badField(field, result.error.issues[0]!.message);
  return result.data;
}
