// Finds the channel and the source of a hit by its referrer. Pure. The rule, in order: no referrer is direct; a referrer on
// one of our own hosts is internal; a known search engine is search; a known network is social; anything else is referral.

export const CHANNELS = ["direct", "search", "social", "referral", "internal", "unclassified"] as const;
/** `unclassified` holds the referrers that were folded into `(other)` when the table or a roll-up was full. */
type Channel = typeof CHANNELS[number];

/** A site that many referrers lead to: `google.com`, `google.co.uk` and the app are all Google. */
interface KnownSource {
  readonly source: string;
  readonly channel: "search" | "social";
  /** Names before the public suffix; a domain with any public suffix counts. */
  readonly names: readonly string[];
  /** Whole domains with all their subdomains; looked up first. */
  readonly domains: readonly string[];
}

const known = (channel: KnownSource["channel"], source: string, names: string[], domains: string[] = []) => ({
  source,
  channel,
  names,
  domains,
});

/** docs/reports.md lists them. */
export const KNOWN_SOURCES: readonly KnownSource[] = [
  known("search", "Google", ["google"], ["com.google.android.googlequicksearchbox"]),
  known("search", "Bing", ["bing"]),
  known("search", "DuckDuckGo", ["duckduckgo"]),
  known("search", "Yahoo", ["yahoo"]),
  known("search", "Yandex", ["yandex"], ["ya.ru"]),
  known("search", "Baidu", ["baidu"]),
  known("search", "Ecosia", ["ecosia"]),
  known("search", "Startpage", ["startpage"]),
  known("search", "Qwant", ["qwant"]),
  known("search", "Naver", ["naver"]),
  known("search", "Seznam", ["seznam"]),
  known("search", "Sogou", ["sogou"]),
  known("search", "Kagi", ["kagi"]),
  known("search", "Mojeek", ["mojeek"]),
  known("search", "Brave", [], ["search.brave.com"]),
  known("search", "360 Search", [], ["so.com"]),
  known("search", "Daum", [], ["daum.net"]),
  known("search", "Perplexity", [], ["perplexity.ai"]),
  known("social", "Facebook", ["facebook"], ["fb.me"]),
  known("social", "Instagram", ["instagram"]),
  known("social", "X (Twitter)", ["twitter"], ["t.co", "x.com"]),
  known("social", "LinkedIn", ["linkedin"], ["lnkd.in"]),
  known("social", "Reddit", ["reddit"], ["redd.it"]),
  known("social", "Pinterest", ["pinterest"]),
  known("social", "TikTok", ["tiktok"]),
  known("social", "YouTube", ["youtube"], ["youtu.be"]),
  known("social", "Tumblr", ["tumblr"]),
  known("social", "Quora", ["quora"]),
  known("social", "Weibo", ["weibo"]),
  known("social", "Threads", ["threads"]),
  known("social", "Snapchat", ["snapchat"]),
  known("social", "VK", [], ["vk.com"]),
  known("social", "Odnoklassniki", [], ["ok.ru"]),
  known("social", "Telegram", [], ["t.me"]),
  known("social", "Bluesky", [], ["bsky.app"]),
  known("social", "Mastodon", [], ["mastodon.social"]),
  known("social", "Hacker News", [], ["news.ycombinator.com"]),
  known("social", "WhatsApp", [], ["wa.me"]),
  known("social", "Discord", [], ["discord.com"]),
];

const BY_NAME = new Map(KNOWN_SOURCES.flatMap((one) => one.names.map((name) => [name, one] as const)));
const BY_DOMAIN = new Map(KNOWN_SOURCES.flatMap((one) => one.domains.map((domain) => [domain, one] as const)));

/** Suffixes of two labels under which names are registered; the others have one. */
const SECOND_LEVEL = /^(?:ac|co|com|edu|gov|net|org|or|ne)\.[a-z]{2}$/;

/** Names of sources that are not sites. */
export const DIRECT_SOURCE = "(direct)";
export const OWN_SOURCE = "(own hosts)";
export const OTHER_SOURCE = "(other)";

/** Where a hit came from. `source` is the name of a known site, else the referrer's host without `www.`, else the referrer. */
export interface Origin {
  readonly channel: Channel;
  readonly source: string;
}

/** The origin of a referrer as it is stored. `ownHosts` are hosts in lower case, without ports. */
export function referrerOrigin(referrer: string, ownHosts: ReadonlySet<string>): Origin {
  if (referrer === "") return { channel: "direct", source: DIRECT_SOURCE };
  if (referrer === "(other)") return { channel: "unclassified", source: OTHER_SOURCE };
  const host = referrerHost(referrer);
  if (host === null) return { channel: "referral", source: referrer };
  if (isOwn(host, ownHosts)) return { channel: "internal", source: OWN_SOURCE };
  return knownSource(host) ?? { channel: "referral", source: host.replace(/^www\./, "") };
}

/** The channel of a referrer. */
export function referrerChannel(referrer: string, ownHosts: ReadonlySet<string>): Channel {
  return referrerOrigin(referrer, ownHosts).channel;
}

/** Host of a referrer that is a URL, an origin or a bare domain; null if it is something else. */
export function referrerHost(referrer: string): string | null {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(referrer)
    ? referrer.replace(/^[a-z][a-z0-9+.-]*:/i, "http:")
    : `http://${referrer}`;
  if (!URL.canParse(text)) return null;
  return new URL(text).hostname.toLowerCase().replace(/\.$/, "") || null;
}

/** A host with `www.` is the same site. */
function isOwn(host: string, ownHosts: ReadonlySet<string>): boolean {
  const bare = host.replace(/^www\./, "");
  return ownHosts.has(host) || ownHosts.has(bare) || ownHosts.has(`www.${bare}`);
}

function knownSource(host: string): KnownSource | undefined {
  const labels = host.split(".");
  for (let i = 0; i < labels.length - 1; i++) {
    const found = BY_DOMAIN.get(labels.slice(i).join("."));
    if (found !== undefined) return found;
  }
  const suffix = SECOND_LEVEL.test(labels.slice(-2).join(".")) ? 2 : 1;
  return BY_NAME.get(labels.at(-1 - suffix) ?? "");
}
