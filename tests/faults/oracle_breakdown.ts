// The naive side of breakdowns: page, client, campaign and entry channel of a request by the rules of docs/concepts.md, for the requests that the
// generator makes. Pure. As the oracle, it shares no code with src/.

/** Dimensions as the view web_breakdown_row names them. */
export const DIMENSIONS = ["page", "client", "campaign", "entry_channel"] as const;

/** Values of one request, in the order of {@link DIMENSIONS}. */
export type NaiveValues = readonly [page: string, client: string, campaign: string, channel: string];

const PART = "\x1e";
const NO_CAMPAIGN = "(none)";

/**
 * @param fields as the record has them
 * @param host, referrer, bot as the record's row has them
 * @param cap shortens a text as keys are shortened
 */
export function naiveValues(
  fields: Readonly<Record<string, unknown>>,
  { host, referrer, bot }: { readonly host: string; readonly referrer: string; readonly bot: boolean },
  cap: (text: string) => string,
): NaiveValues {
  const url = typeof fields.url === "string" ? fields.url : undefined;
  return [
    naivePage(url, fields.method, fields.status, cap),
    naiveClient(typeof fields.user_agent === "string" ? fields.user_agent : "", bot),
    naiveCampaign(url, cap),
    naiveChannel(referrer, host),
  ];
}

/** A path, or why the request viewed no page. */
export function naivePage(
  url: string | undefined,
  method: unknown,
  status: unknown,
  cap: (text: string) => string = (text) => text,
): string {
  if (typeof method === "string" && !["", "-", "GET"].includes(method)) return "(not GET)";
  const digits = typeof status === "number" || typeof status === "string" ? String(status) : "";
  const code = /^\d{1,3}$/.test(digits) ? Number(digits) : 200;
  if (code >= 300 && code < 400 && code !== 304) return "(redirect)";
  if (code < 200 || code >= 400) return "(error)";
  const sentPath = url?.startsWith("/") ? url : /^[a-z]+:\/\/[^/?#]*(.*)$/is.exec(url ?? "")?.[1];
  if (sentPath === undefined) return "(no path)";
  const segments: string[] = [];
  for (const segment of sentPath.split(/[?#]/)[0]!.split("/").map(readable)) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  const page = `/${segments.join("/")}`;
  return /\.(?:css|js|png|svg|woff2)$/i.test(page) ? "(asset)" : cap(page);
}

/** Octets that need not be written as such become characters. */
function readable(segment: string): string {
  return segment
    .replace(/(?:%[c-f][0-9a-f](?:%[89ab][0-9a-f])+)+/gi, decodeURIComponent)
    .replace(/%[0-7][0-9a-f]/gi, (octet) => {
      const character = decodeURIComponent(octet);
      return /[\w.~-]/.test(character) ? character : octet.toUpperCase();
    });
}

/** Browser, system and device of the agents that are sent. */
export function naiveClient(agent: string, bot: boolean): string {
  const of = (...parts: string[]) => parts.join(PART);
  if (bot) return of("(bot)", "(bot)", "(bot)");
  if (agent.includes("iPhone")) return of("Safari", "iOS", "mobile");
  if (agent.includes("Android")) return of("Chrome", "Android", agent.includes("Mobile") ? "mobile" : "tablet");
  const system = agent.includes("Windows NT") ? "Windows" : agent.includes("Linux") ? "Linux" : null;
  const browser = agent.includes("Firefox/") ? "Firefox" : agent.includes("Chrome/") ? "Chrome" : null;
  return system === null || browser === null
    ? of("(unknown)", "(unknown)", "(unknown)")
    : of(browser, system, "desktop");
}

function naiveCampaign(url: string | undefined, cap: (text: string) => string): string {
  const query = new URLSearchParams(/^[^?#]*\?([^#]*)/.exec(url ?? "")?.[1] ?? "");
  const parts = ["source", "medium", "campaign"].map((name) => cap((query.get(`utm_${name}`) ?? "").trim()));
  return parts.every((part) => part === "") ? NO_CAMPAIGN : parts.join(PART);
}

/** Of the sites that are sent. A hit's own host is the one that it asks for. */
export function naiveChannel(referrer: string, host: string): string {
  if (referrer === "") return "direct";
  let from: string;
  try {
    from = new URL(referrer).hostname;
  } catch {
    return "referral";
  }
  if (from === host.replace(/:\d+$/, "")) return "internal";
  if (/(?:^|\.)google\.com$/.test(from)) return "search";
  return from === "t.co" ? "social" : "referral";
}
