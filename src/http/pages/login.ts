// `/login` and `/logout`: exchange a token for a cookie, and delete the cookie. No I/O.
import type { App, AppContext, AppDeps } from "../server/deps.ts";
import { scopeOf, TOKEN_LENGTH_MAX } from "../server/auth.ts";
import { nonceOf } from "../server/headers.ts";
import { HttpProblem } from "../server/problem.ts";
import { endSession, isSecure, sessionScope, startSession } from "../server/session.ts";
import { signedInPage } from "./problem_page.tsx";

/** Registers both. */
export function registerLogin(app: App, { clock, settings, version }: AppDeps): void {
  const { access, proxyHops } = settings;
  const tokens = Object.keys(access).some((name) => name.endsWith("TokenHash"));
  app.get("/login", async (c) => {
    const scope = c.get("scope");
    if (scope === "none") throw unauthorized("A token is needed to read here.");
    const session = await sessionScope(c, access, clock.now()) !== undefined;
    return c.html(signedInPage({ nonce: nonceOf(c), version, scope, tokens, session }));
  });
  app.post("/login", async (c) => {
    const form = await c.req.parseBody();
    const token = typeof form.token === "string" ? form.token.trim().slice(0, TOKEN_LENGTH_MAX) : "";
    const scope = await scopeOf(access, token);
    if (scope === undefined || scope === "chart") throw unauthorized("The token is wrong.");
    await startSession(c, access, { scope, now: clock.now(), secure: isSecure(c, proxyHops) });
    return c.redirect(ownAddress(typeof form.next === "string" ? form.next : ""), 303);
  });
  app.post("/logout", (c: AppContext) => {
    endSession(c);
    return c.redirect("/", 303);
  });
}

const unauthorized = (detail: string) =>
  new HttpProblem("unauthorized", detail, { headers: { "www-authenticate": 'Bearer realm="tidemark"' } });

/** The form's address if it is one of this site: a link could have set another site's. */
export function ownAddress(next: string): string {
  return /^\/(?![/\\])[\x21-\x7e]*$/.test(next) && !next.startsWith("/login") ? next : "/";
}
