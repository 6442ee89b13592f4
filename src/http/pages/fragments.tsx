// Live updates: each section has a version, so that a page gets only changed sections. Pure.
import { createHash } from "node:crypto";
import type { Markup } from "./markup.tsx";

/** Markup of sections by id. */
export type Views = ReadonlyMap<string, Markup>;

/** A place for one section in a page. */
interface Slot {
  readonly id: string;
  /** fast: follows every event; calm: now and then. */
  readonly pace: "fast" | "calm";
  readonly className: string;
}

/** A section as it is sent; `html` is "" if there is nothing to show. */
export interface Fragment {
  readonly id: string;
  readonly version: string;
  readonly html: string;
}

/** Short name of a content. */
export function versionOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 10);
}

/** What a page says it has: `totals.Ab3…,series.9xK…`. */
export function parseHave(text: string | undefined): ReadonlyMap<string, string> {
  const pairs = (text ?? "").slice(0, 1_000).split(",").map((pair) => pair.split("."));
  return new Map(pairs.flatMap(([id, version]) => id ? [[id, version ?? ""] as const] : []));
}

/** The sections named in `have` whose version differs. */
export function changedFragments(views: Views, have: ReadonlyMap<string, string>): Fragment[] {
  return [...views].flatMap(([id, view]) => {
    const text = String(view);
    const version = versionOf(text);
    return !have.has(id) || have.get(id) === version ? [] : [{ id, version, html: text }];
  });
}

/** The section as the page first shows it; hidden while there is nothing to show. */
export function slot({ id, pace, className }: Slot, view: Markup | undefined): Markup {
  const text = String(view ?? "");
  return (
    <section id={id} class={className} data-live={pace} data-version={versionOf(text)} hidden={text === ""}>
      {view ?? ""}
    </section>
  );
}
