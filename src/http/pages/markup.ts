// Pieces of markup that all sections share. Pure; every value goes through the template's escaping.
import { html as escaping, raw } from "hono/html";
import { printable } from "../../report/text/text_width.ts";
import type { Status } from "../../report/report_types.ts";
import type { Reader } from "./reader.ts";

/** Escaped HTML. Our templates never hold promises, but the library's type allows for them. */
export type Markup = ReturnType<typeof escaping>;

const tight = new WeakMap<TemplateStringsArray, TemplateStringsArray>();

/**
 * The library's escaping template, without the line breaks and indents that only the source needs: they were a third of a page, and white
 * space between inline elements shows. A break between two tags or at an edge is nothing, elsewhere it is a space.
 */
export function html(strings: TemplateStringsArray, ...values: unknown[]): Markup {
  let known = tight.get(strings);
  if (known === undefined) {
    const last = strings.length - 1;
    const texts = strings.map((text, i) => {
      const start = i === 0 ? text.replace(/^\n\s*/, "") : text;
      const whole = i === last ? start.replace(/\n\s*$/, "") : start;
      return whole.replace(/>\n\s*(?=<|$)/g, ">").replace(/^\n\s*</, "<").replace(/\n\s*/g, " ");
    });
    known = Object.assign(texts, { raw: strings.raw });
    tight.set(strings, known);
  }
  return escaping(known, ...values);
}

/** Text of a stranger: no control or direction characters leave their cell, and the whole of it is a title. */
export function hostile(text: string): Markup {
  const shown = printable(text);
  return html`<bdi class="clip" title="${shown}">${shown}</bdi>`;
}

/** Head of a panel: its name and what can be done with its numbers. */
export function panelHead(title: string, links: readonly { readonly label: string; readonly href: string }[]): Markup {
  return html`<header class="panel-head"><h2>${title}</h2>${
    links.length === 0
      ? ""
      : html`<ul class="links" aria-label="Download: ${title}">${
        links.map(({ label, href }) => html`<li><a href="${href}" download>${label}</a></li>`)
      }</ul>`
  }</header>`;
}

/** A time in the reader's zone, with UTC on hover; a dash where there is none. */
export function timeOf(
  reader: Reader,
  time: number | string | null,
  precision: "minutes" | "seconds" = "minutes",
): Markup {
  if (time === null) return html`<span class="none">–</span>`;
  const ms = typeof time === "string" ? Date.parse(time) : time;
  const utc = new Date(ms).toISOString();
  return html`<time datetime="${utc}" title="${utc.slice(0, 19).replace("T", " ")} UTC">${
    precision === "minutes" ? reader.time(ms) : reader.seconds(ms)
  }</time>`;
}

/** A number's text with what it is worth: final ones stand plain, those that can still change carry a dotted line, as the legend says. */
export function worth(text: string, status: Status | "unknown"): Markup {
  return status === "provisional"
    ? html`<abbr class="prov" title="provisional: can still change">${text}</abbr>`
    : html`${text}`;
}

/** A count with what it is worth; a gap is a word, never a number. */
export function counted(reader: Reader, value: number | null, status: Status | "unknown"): Markup {
  if (value === null) return html`<span class="unknown" title="records are missing">unknown</span>`;
  return worth(reader.count(value), status);
}

/** A forecast count; `words` say where it comes from. */
export function forecasted(reader: Reader, value: number, words: string): Markup {
  return html`<abbr class="fc" title="forecast${words}">~${reader.count(value)}</abbr>`;
}

/** What the marks mean. */
export function legend(): Markup {
  return html`
    <span class="prov">123</span> provisional: can still change · 123 final · <span class="fc">~123</span> forecast · <span
      class="unknown">unknown</span>: records are missing
  `;
}

/** One of the charts of `src/report`, standing in a page: its colours come from our stylesheet, since the page's policy allows no other. `crop` is in its own pixels. */
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
  return html`
    <svg class="bar ${className}" aria-hidden="true" focusable="false">
      <rect width="${width.toFixed(2)}%" height="100%" rx="2" />
    </svg>
  `;
}

/** Milliseconds in the largest unit that says it with at least two digits: `850 ms`, `12 s`, `3 min`, `2.5 h`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 360_000) / 10} h`;
  return `${Math.round(ms / 8_640_000) / 10} days`;
}

/** Bytes in binary units. */
export function bytesText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  if (bytes < 1_048_576) return `${Math.round(bytes / 1_024)} KiB`;
  return `${Math.round(bytes / 104_857.6) / 10} MiB`;
}
