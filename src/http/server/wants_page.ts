// Decides from the Accept header whether an answer is for a browser or for a program. Pure.
import { parseAccept } from "hono/utils/accept";

/** True if the header names HTML and does not prefer JSON, as when a browser opens an address. */
export function wantsPage(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const types = parseAccept(accept.slice(0, 1_000));
  const quality = (name: string) => types.find(({ type }) => type.toLowerCase() === name)?.q ?? 0;
  const json = Math.max(quality("application/json"), quality("application/problem+json"));
  return quality("text/html") > 0 && quality("text/html") >= json;
}
