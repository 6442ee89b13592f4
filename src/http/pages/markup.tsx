// Markup that all sections share. Pure; JSX escapes every value.
import { raw } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";
import { printable } from "../../shared/printable.ts";
import type { Status } from "../../report/report_types.ts";
import type { Reader } from "./reader.ts";

/** A piece of a page: JSX, so every text in it is escaped. */
export type Markup = HtmlEscapedString | Promise<HtmlEscapedString>;

/** An empty section. */
export const NOTHING: Markup = raw("");

/** Text from outside: its control and direction characters cannot affect what follows. The title has the whole text. */
export function hostile(text: string): Markup {
  const shown = printable(text);
  return <bdi class="clip" title={shown}>{shown}</bdi>;
}

/** Head of a panel: its name, and links for its numbers. */
export function panelHead(title: string, links: readonly { readonly label: string; readonly href: string }[]): Markup {
  return (
    <header class="panel-head">
      <h2>{title}</h2>
      {links.length === 0 ? "" : (
        <ul class="links" aria-label={`Download: ${title}`}>
          {links.map(({ label, href }) => (
            <li>
              <a href={href} download>{label}</a>
            </li>
          ))}
        </ul>
      )}
    </header>
  );
}

/** Links to the same numbers in formats, such as CSV. */
export function downloads(href: (format: string) => string, ...labels: readonly string[]) {
  return labels.map((label) => ({ label, href: href(label.toLowerCase()) }));
}

/** A time in the reader's zone, with UTC on hover; a dash without a time. */
export function timeOf(
  reader: Reader,
  time: number | string | null,
  precision: "minutes" | "seconds" = "minutes",
): Markup {
  if (time === null) return <span class="none">–</span>;
  const ms = typeof time === "string" ? Date.parse(time) : time;
  const utc = new Date(ms).toISOString();
  return (
    <time datetime={utc} title={`${utc.slice(0, 19).replace("T", " ")} UTC`}>
      {precision === "minutes" ? reader.time(ms) : reader.seconds(ms)}
    </time>
  );
}

/** A number's text with its certainty: a number that can still change has a dotted line, as the legend says. */
export function worth(text: string, status: Status | "unknown"): Markup {
  return status === "provisional"
    ? <abbr class="prov" title="provisional: can still change">{text}</abbr>
    : <>{text}</>;
}

/** Why a list over a range is empty, if its sum is not known: `gap` as in the report's completeness. */
export const unknownWords = (gap: boolean): string =>
  gap ? "This range is unknown: its records are missing, or their rows were dropped." : "No data in this range.";

/** A count with its certainty; what is not known is a word, never a number. */
export function counted(reader: Reader, value: number | null, status: Status | "unknown"): Markup {
  if (value === null) return <span class="unknown">unknown</span>;
  return worth(reader.count(value), status);
}

/** A forecast count; `words` tell its source. */
export function forecasted(reader: Reader, value: number, words: string): Markup {
  return <abbr class="fc" title={`forecast${words}`}>~{reader.count(value)}</abbr>;
}

/** A change with its sign and arrow, and in per cent if the other number is known: `▼ −718 (−6.4 %)`. */
export function changed(
  reader: Reader,
  change: number | null,
  base: number | null,
  status: Status | "unknown",
): Markup {
  if (change === null) return <span class="none">–</span>;
  const [name, arrow] = change > 0 ? ["up", "▲"] : change < 0 ? ["down", "▼"] : ["same", ""];
  const part = base ? ` (${reader.changePercent(100 * change / base)})` : "";
  return (
    <span class={`change ${name}`}>
      <span class="arrow" aria-hidden="true">{arrow}</span> {worth(`${reader.change(change)}${part}`, status)}
    </span>
  );
}

/** What the marks mean. */
export function legend(): Markup {
  return (
    <>
      A dotted line marks a number that can still change, <span class="fc">~</span> a forecast; all others are final.
    </>
  );
}

/** A chart of `src/report` in a page. Its colours come from our stylesheet, because the page's policy allows no other. `crop` is in its own pixels. */
export function inlineSvg(svg: string, crop = { top: 0, bottom: 0 }): Markup {
  const plain = svg.replace(/<style>[^<]*<\/style>/, "");
  return raw(plain.replace(/viewBox="0 0 (\d+) (\d+)" width="\d+" height="\d+"/, (_, width: string, height: string) => {
    const left = Number(height) - crop.top - crop.bottom;
    return `viewBox="0 ${crop.top} ${width} ${left}" width="${width}" height="${left}"`;
  }));
}

/** A bar to scale; `share` from 0 to 1. Drawn as SVG, since the policy forbids style attributes. */
export function bar(share: number, className = ""): Markup {
  const width = Math.max(0, Math.min(1, Number.isFinite(share) ? share : 0)) * 100;
  return (
    <svg class={`bar ${className}`} aria-hidden="true" focusable="false">
      <rect width={`${width.toFixed(2)}%`} height="100%" rx="2" />
    </svg>
  );
}
