// What a log line says of its request, and the pieces that all readers of log lines share. No I/O.

/** Texts as the log has them, escapes undone; a field that the line does not name is absent. */
export interface LineFields {
  /** By the grammar of event times, rules version 2. */
  event_time?: string;
  host?: string;
  url?: string;
  referrer?: string;
  user_agent?: string;
  method?: string;
  /** Status of the answer. */
  status?: string;
  /** The client, or a list in which the entry of `TRUSTED_PROXY_HOPS` is the client. */
  ip?: string;
}

const REQUEST = /^(\S+) (.+?)(?: HTTP\/\d(?:\.\d)?)?$/;
const ESCAPE = /(?:\\x[0-9A-Fa-f]{2})+|\\["\\bnrtvf]/g;
const CONTROLS: Readonly<Record<string, string>> = { b: "\b", n: "\n", r: "\r", t: "\t", v: "\v", f: "\f" };
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The value, or `undefined` if the log marks it as absent. */
export function present(value: string | undefined): string | undefined {
  return value === undefined || value === "" || value === "-" ? undefined : value;
}

/** Method and target of a request line `GET /path HTTP/1.1`; neither if the bytes were no request. */
export function requestOf(
  request: string,
): { readonly method?: string | undefined; readonly target?: string | undefined } {
  const [, method, target] = REQUEST.exec(request) ?? [];
  return { method: present(method), target: present(target) };
}

/**
 * Undoes `\"`, `\\`, `\n` and the like, and runs of `\xHH` that are UTF-8 (mod_log_config and ngx_http_log_module define them). Other runs,
 * as of a referrer in Latin-1, stay as the log has them: decoded they would all become the same replacement characters.
 */
export function unescapeField(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replace(ESCAPE, (escape) => {
    if (escape[1] !== "x") return CONTROLS[escape[1]!] ?? escape[1]!;
    try {
      return utf8.decode(Uint8Array.from(escape.matchAll(/[0-9A-Fa-f]{2}/g), ([hex]) => Number.parseInt(hex, 16)));
    } catch {
      return escape;
    }
  });
}

/** The forwarded list with the server's own peer behind it, as each hop would have appended it. */
export function forwardedAddress(forwarded: string | undefined, client: string | undefined): string | undefined {
  if (forwarded === undefined) return client;
  return client === undefined ? forwarded : `${forwarded}, ${client}`;
}
