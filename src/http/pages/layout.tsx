// The frame of every page: head, sticky header with the stream's state, navigation, theme, footer. Pure.
import { raw } from "hono/html";
import type { GeoState } from "../../geo/geo_state.ts";
import { ASSETS } from "./assets.ts";
import type { Markup } from "./markup.tsx";
import type { StreamWords } from "./stream_state.ts";

/** What differs from page to page. */
interface PageFrame {
  readonly nonce: string;
  readonly title: string;
  /** null: a page that has no place in the navigation. */
  readonly path: "/" | "/pipeline" | "/docs" | null;
  /** The query of links to the other pages: range, zone and filters of this one. */
  readonly search: string;
  readonly version: string;
  readonly words: StreamWords | null;
  readonly geo: GeoState | null;
  /** Where the script fetches fresh sections; null if the page does not change. */
  readonly fragments: string | null;
  /** Without a script the page reloads after this many seconds: for pages that only say "not yet". */
  readonly reloadAfterS?: number;
  readonly body: Markup;
}

const NAVIGATION = [
  { path: "/", label: "Overview" },
  { path: "/pipeline", label: "Pipeline" },
  { path: "/docs", label: "API" },
] as const;

/** A wave under a mark: the product's sign, also the icon of the tab. */
const SIGN = `<svg class="sign" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">` +
  `<path d="M4 5.5h16M4 5.5v3M9.3 5.5v2M14.6 5.5v2M20 5.5v3" class="s1"/><path d="M2 14c2.5-3 5-3 7.5 0s5 3 7.5 0 3.8-2.7 5-2" class="s2"/>` +
  `<path d="M2 19c2.5-3 5-3 7.5 0s5 3 7.5 0 3.8-2.7 5-2" class="s3"/></svg>`;

const ICON = "data:image/svg+xml," + encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#0e7a8a" stroke-width="2.4" stroke-linecap="round">` +
    `<path d="M4 5.5h16"/><path d="M2 13c2.5-3 5-3 7.5 0s5 3 7.5 0 3.8-2.7 5-2"/><path d="M2 19c2.5-3 5-3 7.5 0s5 3 7.5 0 3.8-2.7 5-2"/></svg>`,
);

/** Runs before anything is painted, so that a chosen theme does not flash; a URL's choice wins. */
const THEME =
  `(()=>{try{const u=new URLSearchParams(location.search).get("theme"),t=["light","dark"].includes(u)?u:u?"":localStorage.getItem("theme");` +
  `if(t)document.documentElement.dataset.theme=t}catch{}})()`;

/** A page whose URL names no zone is shown in the browser's: the server learns it by a cookie, and the page is asked for again once. */
const ZONE = `(()=>{try{const z=Intl.DateTimeFormat().resolvedOptions().timeZone,c="tz="+encodeURIComponent(z);` +
  `if(!z||document.cookie.split("; ").includes(c))return;document.cookie=c+"; path=/; max-age=31536000; samesite=lax";` +
  `if(z!=="UTC"&&!new URLSearchParams(location.search).has("tz")&&document.cookie.split("; ").includes(c))location.reload()}catch{}})()`;

/** The whole document. */
export function page(frame: PageFrame): Markup {
  const { nonce, title, path, search, words, fragments } = frame;
  return (
    <>
      {raw("<!doctype html>")}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title>{title} · Tidemark</title>
          <link rel="icon" href={ICON} />
          <script nonce={nonce}>{raw(THEME + ";" + ZONE)}</script>
          <link rel="stylesheet" nonce={nonce} href={ASSETS.style.path} />
          <script defer nonce={nonce} src={ASSETS.script.path}></script>
          {frame.reloadAfterS === undefined ? "" : (
            <noscript>
              <meta http-equiv="refresh" content={String(frame.reloadAfterS)} />
            </noscript>
          )}
        </head>
        <body data-fragments={fragments ?? undefined}>
          <a class="skip" href="#main">Skip to content</a>
          <header class="top">
            <div class="top-in">
              <a class="brand" href={`/${search}`}>
                {raw(SIGN)}
                <span>Tidemark</span>
              </a>
              <nav aria-label="Pages">
                {NAVIGATION.map((item) => (
                  <a
                    href={`${item.path}${item.path === "/docs" ? "" : search}`}
                    aria-current={item.path === path ? "page" : undefined}
                  >
                    {item.label}
                  </a>
                ))}
              </nav>
              <div class="state-slot" id="state" data-live={fragments === null ? undefined : "fast"}>
                {words === null ? "" : stateView(words)}
              </div>
              <a class="theme" id="theme" href="?theme=dark" title="Light or dark">
                <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" focusable="false">
                  <circle cx="10" cy="10" r="7.2" />
                  <path d="M10 2.8a7.2 7.2 0 0 1 0 14.4z" />
                </svg>
                <span class="sr">Change between light and dark</span>
              </a>
            </div>
          </header>
          <main id="main" tabindex={-1}>{frame.body}</main>
          <footer>
            <p>
              Tidemark {frame
                .version} · times on hover are UTC · <a href="/openapi.json">OpenAPI</a> ·{" "}
              <a href="/v1/ledger">ledger</a> · <a href="/metrics">metrics</a> · <a href="/login">sign in or out</a>
            </p>
            <p>{attribution(frame.geo)}</p>
            <noscript>
              <p>Without scripts this page is not updated: reload it for newer numbers.</p>
            </noscript>
          </footer>
        </body>
      </html>
    </>
  );
}

/** The stream's state in the header. Also a live fragment. */
export function stateView(words: StreamWords): Markup {
  return (
    <a class={`state ${words.kind}`} href="/pipeline" title={words.detail}>
      <span class="dot" aria-hidden="true"></span>
      <span>{words.label}</span>
    </a>
  );
}

/** The source of the places, as the licence of the address file requires. */
function attribution(geo: GeoState | null): Markup {
  const known = (geo?.files ?? []).flatMap((file) => file.attribution === null ? [] : [file.attribution]);
  const [first] = known;
  if (first === undefined) return <>Country outlines: Natural Earth.</>;
  return (
    <>
      Places: <a href={safeUrl(first.url)} rel="noreferrer">{first.text}</a>{" "}
      ({first.licence}). Country outlines: Natural Earth.
    </>
  );
}

/** The address comes from a file's metadata. */
function safeUrl(url: string): string {
  return /^https?:\/\//.test(url) ? url : "#";
}
