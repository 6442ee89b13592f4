// Whether an answer is for a person in a browser or for a program, from the Accept header. Pure.
import { parseAccept } from "hono/utils/accept";

/** True where HTML is asked for by name, and JSON not more gladly: what browsers send when an address is opened. */
export function wantsPage(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const types = parseAccept(accept.slice(0, 1_000));
  const quality = (name: string) => types.find(({ type }) => type.toLowerCase() === name)?.q ?? 0;
  const json = Math.max(quality("application/json"), quality("application/problem+json"));
  return quality("text/html") > 0 && quality("text/html") >= json;
}
