// The notice when the filters match nothing: which one may be misspelt, and links without it. Pure.
import { type Condition, FILTER_OPS } from "../../../report/filter.ts";
import { hostile, type Markup } from "../markup.tsx";
import { changedFilterHref, pageHref } from "../page_query.ts";
import { conditionValue } from "./controls_view.tsx";
import type { ViewContext } from "./overview_input.ts";

/** `found` are texts like the value of each condition, which the links put in its place. */
export function noMatch(
  { state }: Pick<ViewContext, "state">,
  conditions: readonly Condition[],
  found: ReadonlyMap<Condition, readonly string[]>,
): Markup {
  const offers = conditions.flatMap((one, i) =>
    (found.get(one) ?? []).map((value) => ({
      one,
      value,
      href: changedFilterHref(state, i, { ...one, op: "is", value }),
    }))
  );
  return (
    <div class="notice calm">
      <h2>No hits match {conditions.length === 1 ? "this filter" : "these filters"}</h2>
      <ul>
        {conditions.map((one) => <li>{one.field} {FILTER_OPS[one.op].words} {hostile(conditionValue(one))}</li>)}
      </ul>
      {offers.length === 0 ? "" : (
        <p>
          Did you mean {offers.map(({ one, value, href }, i) => (
            <>
              {i === 0 ? "" : ", "}
              <a href={href}>{hostile(conditionValue({ ...one, op: "is", value }))}</a>
            </>
          ))}?
        </p>
      )}
      <p>
        <a href={pageHref("/", state, { filter: null })}>Remove the filters</a>
      </p>
    </div>
  );
}
