// The signed cookie of a browser that has signed in with a token. It holds a scope and an end, never a token. No I/O.
import { deleteCookie, getSignedCookie, setSignedCookie } from "hono/cookie";
import type { AccessSettings, AppContext, Scope } from "./deps.ts";

const NAME = "tidemark";
const DAYS = 30;
const DAY_S = 86_400;

/** Scopes of cookies, the widest first. */
const SCOPES = ["admin", "read", "share"] as const satisfies readonly Scope[];
type SessionScope = typeof SCOPES[number];

/** The hash of a scope's token signs its cookies, so that a new token ends them all. */
function secretOf(access: AccessSettings, scope: SessionScope): Uint8Array<ArrayBuffer> | undefined {
  const { adminTokenHash, readTokenHash, shareTokenHash } = access;
  // If there is only one token, it is the reader's and gives access to everything.
  const hash = { admin: adminTokenHash ?? readTokenHash, read: readTokenHash, share: shareTokenHash }[scope];
  return hash && new Uint8Array(hash);
}

/** The scope of the request's cookie; undefined if the cookie is absent, has ended or has a wrong signature. */
export async function sessionScope(c: AppContext, access: AccessSettings, now: number): Promise<Scope | undefined> {
  if (!c.req.header("cookie")?.includes(`${NAME}=`)) return undefined;
  for (const scope of SCOPES) {
    const secret = secretOf(access, scope);
    const value = secret && await getSignedCookie(c, secret, NAME);
    const [found, end] = value ? value.split(".") : [];
    if (found === scope && Number(end) > now / 1000) return scope;
  }
  return undefined;
}

/** Sets a cookie for 30 days. Browsers send it only to this site, and scripts cannot read it. */
export async function startSession(
  c: AppContext,
  access: AccessSettings,
  { scope, now, secure }: { readonly scope: Scope; readonly now: number; readonly secure: boolean },
): Promise<void> {
  const known = SCOPES.find((name) => name === scope);
  const secret = known && secretOf(access, known);
  if (!secret) return;
  await setSignedCookie(c, NAME, `${scope}.${Math.floor(now / 1000) + DAYS * DAY_S}`, secret, {
    httpOnly: true,
    // Lax: a link in a mail opens the page, but requests of other sites' pages come without the cookie.
    sameSite: "Lax",
    secure,
    maxAge: DAYS * DAY_S,
  });
}

/** Deletes the cookie. */
export function endSession(c: AppContext): void {
  deleteCookie(c, NAME);
}

/** Whether the browser used HTTPS, according to the URL or to a trusted proxy. */
export function isSecure(c: AppContext, proxyHops: number): boolean {
  return c.req.url.startsWith("https:") || (proxyHops > 0 && c.req.header("x-forwarded-proto") === "https");
}
