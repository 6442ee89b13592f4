// Saved views and notes beside the controls: links, and plain forms that work without a script. Pure.
import type { Reader } from "../reader.ts";
import { hostile, type Markup, NOTHING } from "../markup.tsx";
import { pageHref, type PageState } from "../page_query.ts";
import type { Kept } from "./kept_data.ts";

interface KeptInput extends Kept {
  readonly state: PageState;
  readonly reader: Reader;
  /** The day that a new note is offered for. */
  readonly day: string;
  /** Whether this reader may add and remove here. */
  readonly mayWrite: boolean;
  /** Whether this reader may see views: a share link shows one view alone. */
  readonly mayList: boolean;
}

export function keptView({ views, notes, state, reader, day, mayWrite, mayList }: KeptInput): Markup {
  const here = pageHref("/", state);
  const query = here.slice(2);
  const remove = (action: string, name: string, value: string | number, words: string) =>
    !mayWrite ? "" : (
      <form method="post" action={action} class="inline">
        <input type="hidden" name="next" value={here} />
        <input type="hidden" name={name} value={String(value)} />
        <button type="submit" class="plain" name="do" value="remove" title={`Remove ${words}`}>
          <span aria-hidden="true">×</span>
          <span class="sr">remove {words}</span>
        </button>
      </form>
    );
  const showViews = mayList && (mayWrite || views.length > 0);
  if (!showViews && !mayWrite) return NOTHING;
  return (
    <div class="kept">
      {!showViews ? "" : (
        <details class="more" id="views">
          <summary>Views{views.length === 0 ? "" : ` (${views.length})`}</summary>
          <div>
            {views.length === 0 ? "" : (
              <ul class="chips" aria-label="Saved views">
                {views.map((view) => (
                  <li>
                    <a href={`/?${view.query}`} aria-current={view.query === query ? "true" : undefined}>
                      {hostile(view.name)}
                    </a>
                    {remove("/views", "name", view.name, "this view")}
                  </li>
                ))}
              </ul>
            )}
            {!mayWrite ? "" : (
              <form method="post" action="/views" class="line">
                <input type="hidden" name="next" value={here} />
                <input type="hidden" name="query" value={query} />
                <label class="field">
                  <span>Save what is shown as</span>
                  <input name="name" required maxlength={80} autocomplete="off" />
                </label>
                <button type="submit" name="do" value="save">Save view</button>
              </form>
            )}
          </div>
        </details>
      )}
      {!mayWrite ? "" : (
        <details class="more" id="notes">
          <summary>Notes{notes.length === 0 ? "" : ` (${notes.length})`}</summary>
          <div>
            {notes.length === 0 ? "" : (
              <ul class="chips" aria-label="Notes on the days that are shown">
                {notes.map(({ id, day, note }) => (
                  <li>
                    <span class="soft">{reader.day(day)}</span> {hostile(note)}{" "}
                    {remove("/notes", "id", id, "this note")}
                  </li>
                ))}
              </ul>
            )}
            <form method="post" action="/notes" class="line">
              <input type="hidden" name="next" value={here} />
              <label class="field">
                <span>Day</span>
                <input type="date" name="day" required value={day} />
              </label>
              <label class="field">
                <span>Note</span>
                <input name="note" required maxlength={200} autocomplete="off" placeholder="release 2.1" />
              </label>
              <button type="submit" name="do" value="save">Add note</button>
            </form>
          </div>
        </details>
      )}
    </div>
  );
}
