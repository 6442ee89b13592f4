// Common parts of the SVG charts: escaping, colours for light and dark, and the frame with its text alternative. Pure.

/** Text for element content and double-quoted attributes. Characters that XML forbids become U+FFFD. */
export function escapeXml(text: string): string {
  return text.toWellFormed()
    // deno-lint-ignore no-control-regex -- exactly the characters that XML 1.0 forbids
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll(
      "'",
      "&#39;",
    );
}

/** A number for a coordinate: at most two decimals. */
export function coordinate(value: number): string {
  return String(Math.round(value * 100) / 100);
}

export interface SvgOptions {
  /** Prefix of every id, so that a page can have several charts. */
  readonly id?: string;
  /** BCP 47 language of numbers; default `en`. */
  readonly locale?: string;
}

/**
 * Colours are variables: a page may set them as `--tm-…`; without it the chart follows the reader's light or dark setting. In both, text has a
 * contrast of at least 4.5:1 with the ground, and marks of 3:1.
 */
const STYLE =
  `.tm{--ink:var(--tm-ink,#1b2530);--soft:var(--tm-soft,#52606d);--line:var(--tm-line,#c3ccd5);--ground:var(--tm-ground,#ffffff);` +
  `--land:var(--tm-land,#e6ebf0);--bar:var(--tm-bar,#1f6f9f);--bar2:var(--tm-bar2,#b4540a);--area:var(--tm-area,#7fb3d1);` +
  `font:13px system-ui,sans-serif}` +
  `@media(prefers-color-scheme:dark){.tm{--ink:var(--tm-ink,#e8edf2);--soft:var(--tm-soft,#a9b6c2);--line:var(--tm-line,#3c4854);` +
  `--ground:var(--tm-ground,#12181f);--land:var(--tm-land,#26303a);--bar:var(--tm-bar,#5fb3e0);--bar2:var(--tm-bar2,#f0a35e);--area:var(--tm-area,#2f6f93)}}` +
  `.tm .g{fill:var(--ground)}.tm text{fill:var(--ink)}.tm .s{fill:var(--soft)}.tm .b{fill:var(--bar)}.tm .b2{fill:var(--bar2)}` +
  `.tm .l{stroke:var(--line);fill:none}.tm .land{fill:var(--land);stroke:var(--line);stroke-width:.5}.tm .e{text-anchor:end}.tm .m{text-anchor:middle}`;

/** Wraps a chart. `title` and `description` are its text alternative and are escaped here; `body` must be escaped already. */
export function svgFrame(
  { width, height, title, description, body, style = "", id = "chart" }: {
    readonly width: number;
    readonly height: number;
    readonly title: string;
    readonly description: string;
    readonly body: string;
    readonly style?: string;
    readonly id?: string | undefined;
  },
): string {
  const name = id.replace(/[^A-Za-z0-9_-]/g, "_");
  return `<svg xmlns="http://www.w3.org/2000/svg" class="tm" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ` +
    `aria-labelledby="${name}-t ${name}-d"><title id="${name}-t">${escapeXml(title)}</title><desc id="${name}-d">${
      escapeXml(description)
    }</desc>` +
    `<style>${STYLE}${style}</style><rect class="g" width="${width}" height="${height}"/>${body}</svg>`;
}

/** Numbers as the locale writes them. */
export function numberFormat(locale = "en"): (value: number) => string {
  const format = new Intl.NumberFormat(locale);
  return (value) => format.format(value);
}
