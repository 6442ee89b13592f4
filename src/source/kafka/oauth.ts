// Gets the tokens of SASL/OAUTHBEARER: from a command, or from an identity provider by client credentials (RFC 6749, section 4.4). Shell:
// runs the command, or sends an HTTP request.
import { Buffer } from "node:buffer";
import { messageOf, Unavailable } from "../../shared/errors.ts";

/** Where tokens come from. `extensions` are sent with each token (RFC 7628, section 3.1). */
export type TokenSource =
  & { readonly extensions: Readonly<Record<string, string>> }
  & (
    | { readonly kind: "command"; readonly words: readonly string[] }
    | {
      readonly kind: "endpoint";
      readonly url: string;
      readonly clientId: string;
      readonly clientSecret: string;
      readonly scope: string | null;
    }
  );

/** As kafkajs expects it at each login. */
interface Token {
  readonly value: string;
  readonly extensions: Readonly<Record<string, string>>;
}

interface Fresh {
  readonly value: string;
  /** Epoch ms; 0 = not known. */
  readonly expiresAt: number;
}

const DEADLINE_MS = 10_000;
/** A token whose end is not known is used this long. */
const UNKNOWN_LIFE_MS = 60_000;
/** Share of a token's life after which another is requested. */
const USED_SHARE = 0.8;

/** A function that returns a valid token, the same one for most of its life. Rejects with Unavailable `kafka_token`, without any secret. */
export function tokenProvider(source: TokenSource, now: () => number = Date.now): () => Promise<Token> {
  let token: { readonly value: string; readonly until: number } | null = null;
  let asking: Promise<Token> | null = null;
  const ask = async (): Promise<Token> => {
    const { value, expiresAt } =
      await (source.kind === "command" ? fromCommand(source.words) : fromEndpoint(source, now));
    if (!/^[\x21-\x7e]+$/.test(value)) throw refused("The answer is not a token.");
    const end = expiresAt || expiryOf(value) || now() + UNKNOWN_LIFE_MS;
    token = { value, until: now() + Math.max(0, end - now()) * USED_SHARE };
    return { value, extensions: source.extensions };
  };
  return () => {
    if (token !== null && now() < token.until) {
      return Promise.resolve({ value: token.value, extensions: source.extensions });
    }
    // Connections that log in at the same time share one request.
    return asking ??= ask().finally(() => asking = null);
  };
}

async function fromCommand(words: readonly string[]): Promise<Fresh> {
  const [program, ...args] = words;
  try {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const { code, stdout } = await new Deno.Command(program!, { args, stdin: "null", stderr: "null", signal }).output();
    if (code !== 0) throw new Error(`it ended with exit code ${code}`);
    return parsed(new TextDecoder().decode(stdout).trim(), 0);
  } catch (error) {
    if (error instanceof Unavailable) throw error;
    throw refused(`The token command ${program} failed: ${messageOf(error)}`, error);
  }
}

async function fromEndpoint(
  { url, clientId, clientSecret, scope }: Extract<TokenSource, { kind: "endpoint" }>,
  now: () => number,
): Promise<Fresh> {
  let status: number, text: string;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        accept: "application/json",
        // RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
        authorization: `Basic ${
          Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString("base64")
        }`,
      },
      body: new URLSearchParams({ grant_type: "client_credentials", ...(scope === null ? {} : { scope }) }),
      redirect: "error",
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    status = response.status;
    text = await response.text();
  } catch (error) {
    throw refused(`The token endpoint ${url} does not answer: ${messageOf(error)}`, error);
  }
  if (status !== 200) throw refused(`The token endpoint ${url} answered with status ${status}`);
  return parsed(text, now());
}

/** Reads a bare token, or JSON with `access_token` and optionally `expires_in` (seconds from `now`). */
function parsed(text: string, now: number): Fresh {
  if (!text.startsWith("{")) return { value: text, expiresAt: 0 };
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    throw refused("The answer with the token is not JSON.", error);
  }
  const { access_token: value, expires_in: life } = answer as Record<string, unknown>;
  if (typeof value !== "string") throw refused("The answer has no access_token.");
  return { value, expiresAt: now > 0 && Number(life) > 0 ? now + Number(life) * 1000 : 0 };
}

/** `exp` of a JWT in epoch ms; 0 without one, and for other tokens. */
function expiryOf(token: string): number {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : 0;
  } catch {
    return 0; // opaque
  }
}

function refused(message: string, cause?: unknown): Unavailable {
  return new Unavailable(
    "kafka_token",
    message,
    "Check the KAFKA_OAUTH_… settings; run the command by hand, or request a token with curl.",
    { cause },
  );
}
