// A problem as a page for browsers: what is wrong, what to do, and a form to sign in if a token is needed. Pure.
import { type HttpProblem, PROBLEMS } from "../server/problem.ts";
import { page } from "./layout.tsx";
import { hostile, type Markup } from "./markup.tsx";

interface ProblemPage {
  readonly problem: HttpProblem;
  readonly requestId: string;
  readonly version: string;
  readonly nonce: string;
  /** Path and query of the request, to which signing in leads back. */
  readonly next: string;
}

/** The page of one problem. */
export function problemPage({ problem, requestId, version, nonce, next }: ProblemPage): Markup {
  const isLogin = problem.code === "unauthorized";
  return documentOf(
    nonce,
    version,
    isLogin ? "Sign in" : PROBLEMS[problem.code].title,
    isLogin ? loginForm(problem, next) : (
      <div class="notice bad" role="alert">
        <h1>{PROBLEMS[problem.code].title}</h1>
        <p>{hostile(problem.detail)}</p>
        {problem.errors.length === 0 ? "" : (
          <ul>
            {problem.errors.map(({ field, message, allowed }) => (
              <li>
                <code>{hostile(field)}</code> {hostile(message)}
                {allowed === undefined || allowed.length === 0 ? "" : <>: {hostile(allowed.join(", "))}</>}
              </li>
            ))}
          </ul>
        )}
        <p>
          {problem.status} {problem.code} · request {hostile(requestId)} · <a href="/">Overview</a> ·{" "}
          <a href="/docs">All addresses</a>
        </p>
      </div>
    ),
  );
}

/** The page `/login` of a reader who is signed in: the scope, signing out, and signing in with another token. */
export function signedInPage({ nonce, version, scope, tokens, session }: {
  readonly nonce: string;
  readonly version: string;
  readonly scope: string;
  /** Whether any token is set. Without one, only this machine gets answers, and signing in is not possible. */
  readonly tokens: boolean;
  /** Whether the browser has a cookie of ours. */
  readonly session: boolean;
}): Markup {
  return documentOf(
    nonce,
    version,
    session ? "Signed in" : "Sign in",
    (
      <div class="notice calm login">
        <h1>{session ? "You are signed in" : "You can read here"}</h1>
        <p>
          {tokens ? <>This browser reads as {scope}.</> : (
            <>
              No token is set, so this service answers only this machine, which may do everything. Set{" "}
              <code>API_TOKEN</code> to let others in.
            </>
          )}
        </p>
        {session
          ? (
            <form method="post" action="/logout">
              <button type="submit">Sign out</button>
            </form>
          )
          : ""}
        {tokens && scope !== "admin" ? tokenForm("/") : ""}
      </div>
    ),
  );
}

function tokenForm(next: string): Markup {
  return (
    <form method="post" action="/login">
      <input type="hidden" name="next" value={next} />
      <p class="field">
        <label for="token">Token</label>
        <input id="token" type="password" name="token" required autocomplete="current-password" />
      </p>
      <button type="submit">Sign in</button>
    </form>
  );
}

function loginForm(problem: HttpProblem, next: string): Markup {
  return (
    <div class="notice calm login">
      <h1>Sign in</h1>
      <p role="alert">
        {problem.detail.startsWith("Send the token") ? "A token is needed to read here." : problem.detail}
      </p>
      {tokenForm(next)}
      <p>
        It is the value of <code>API_TOKEN</code> (or{" "}
        <code>API_ADMIN_TOKEN</code>) in the settings of this service; its operator can give it to you. Programs send it
        as <code>Authorization: Bearer …</code>.
      </p>
    </div>
  );
}

function documentOf(nonce: string, version: string, title: string, body: Markup): Markup {
  return page({ nonce, title, path: null, search: "", version, words: null, geo: null, fragments: null, body });
}
