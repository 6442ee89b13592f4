// A table that scrolls in a narrow page. Pure.
import type { Markup } from "./markup.tsx";

/** @param columns their heads; one that begins with `#` stays in line with numbers: the sign is not shown */
export function dataTable(
  label: string,
  columns: readonly string[],
  rows: readonly Markup[],
  { whole = false }: { readonly whole?: boolean } = {},
): Markup {
  return (
    <div class={whole ? "scroll whole" : "scroll"} tabindex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map((name) =>
              name.startsWith("#") ? <th scope="col" class="n">{name.slice(1)}</th> : <th scope="col">{name}</th>
            )}
          </tr>
        </thead>
        <tbody>{rows}</tbody>
      </table>
    </div>
  );
}
