// Sends one message: to a webhook by HTTP, to an address by SMTP. Shell: the network. Redirects are not followed, because messages go only where
// the settings say.
import net from "node:net";
import { withoutBrackets } from "../shared/config/hosts.ts";
import { EXIT, messageOf, NamedError } from "../shared/errors.ts";
import { type Message, webhookBody } from "./message.ts";

/** Longest time of a delivery, in ms. */
const TIMEOUT_MS = 20_000;

/** Result of a delivery. `error` contains no address, because it may contain a secret. */
export type SendResult = { readonly ok: true } | {
  readonly ok: false;
  readonly error: NamedError;
  /** Time that the target asked for, or 0. */
  readonly retryAfterMs: number;
};

const failed = (error: NamedError, retryAfterMs = 0): SendResult => ({ ok: false, error, retryAfterMs });

/** Posts the message. A status from 200 to 299 means that it was accepted. Never throws. */
export async function toWebhook(url: string, message: Message, version: string): Promise<SendResult> {
  const refused = (text: string, retryAfterMs = 0) =>
    failed(
      new NamedError(
        "webhook_failed",
        `${new URL(url).host} did not take ${message.id}: ${text}`,
        EXIT.unavailable,
        "Check NOTIFY_WEBHOOKS and the service behind it; the message is sent again by itself.",
      ),
      retryAfterMs,
    );
  try {
    const response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      headers: {
        "content-type": "application/json",
        "idempotency-key": message.id,
        "user-agent": `tidemark/${version}`,
      },
      body: webhookBody(message),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (response.ok) return { ok: true };
    const seconds = Number(response.headers.get("retry-after") ?? 0);
    return refused(`HTTP ${response.status}`, Number.isFinite(seconds) ? 1000 * seconds : 0);
  } catch (error) {
    return refused(reasonOf(error));
  }
}

/** Mails the message; the same message has the same Message-ID. Never throws. */
export async function toMailbox(
  { server, from, to }: { readonly server: string; readonly from: string; readonly to: string },
  message: Message,
): Promise<SendResult> {
  const { hostname, port, protocol, username, password } = new URL(server);
  const domain = from.slice(from.lastIndexOf("@") + 1);
  const secure = protocol === "smtps:", host = withoutBrackets(hostname);
  try {
    // Loaded only if mails are sent.
    const { createTransport } = await import("nodemailer");
    const transport = createTransport({
      host,
      secure,
      // The library would connect to the name server itself, which a scoped program may not do.
      getSocket: (_options: unknown, done: (error: Error | null, opened?: { connection: net.Socket }) => void) =>
        void open(host, Number(port || (secure ? 465 : 587))).then((connection) => done(null, { connection }), done),
      // Without a name the library asks the system for the host's, which this program may not do.
      name: domain,
      ...(username !== "" && { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
      greetingTimeout: TIMEOUT_MS,
      socketTimeout: TIMEOUT_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    try {
      await transport.sendMail({
        from,
        to,
        subject: message.subject,
        text: `${message.lines.join("\n")}\n`,
        messageId: `<${message.id}@${domain}>`,
        headers: { "Auto-Submitted": "auto-generated" },
      });
    } finally {
      transport.close();
    }
    return { ok: true };
  } catch (error) {
    return failed(
      new NamedError(
        "mail_failed",
        `${hostname} did not take ${message.id}: ${reasonOf(error)}`,
        EXIT.unavailable,
        "Check SMTP_URL, SMTP_FROM and NOTIFY_EMAILS; the message is sent again by itself.",
      ),
    );
  }
}

function open(host: string, port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port });
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
    socket.once("error", reject).once("close", () => clearTimeout(timer)).once("connect", () => {
      clearTimeout(timer);
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

const REASON_MAX = 200;

/** Why a delivery failed, without the address. */
function reasonOf(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") return `no answer within ${TIMEOUT_MS / 1000} s`;
  const text = messageOf(error).replaceAll(/\S*:\/\/\S*/g, "").replaceAll(/[^\x20-\x7e]+/g, " ");
  return text.replaceAll(/ {2,}/g, " ").slice(0, REASON_MAX);
}
