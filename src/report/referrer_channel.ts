// Through which channel a hit came, told from its referrer. Pure. The rule, in order: no referrer is direct; a referrer on one of our own hosts
// is internal; a known search engine is search; a known network is social; anything else is referral.

export const CHANNELS = ["direct", "search", "social", "referral", "internal", "unclassified"] as const;
/** `unclassified` holds the referrers that were folded into `(other)` when the table or a roll-up was full. */
export type Channel = typeof CHANNELS[number];

/** Names of search engines as they stand before the public suffix (google.co.uk), and whole domains where the name alone is ambiguous. */
const SEARCH_NAMES = new Set(
  [
    "google",
    "bing",
    "duckduckgo",
    "yahoo",
    "yandex",
    "baidu",
    "ecosia",
    "startpage",
    "qwant",
    "naver",
    "seznam",
    "sogou",
    "kagi",
    "mojeek",
  ],
);
const SEARCH_DOMAINS = [
  "search.brave.com",
  "ya.ru",
  "so.com",
  "daum.net",
  "perplexity.ai",
  "com.google.android.googlequicksearchbox",
];
const SOCIAL_NAMES = new Set(
  [
    "facebook",
    "instagram",
    "twitter",
    "linkedin",
    "reddit",
    "pinterest",
    "tiktok",
    "youtube",
    "tumblr",
    "quora",
    "weibo",
    "threads",
    "snapchat",
  ],
);
const SOCIAL_DOMAINS = [
  "t.co",
  "x.com",
  "fb.me",
  "lnkd.in",
  "redd.it",
  "youtu.be",
  "vk.com",
  "ok.ru",
  "t.me",
  "bsky.app",
  "mastodon.social",
  "news.ycombinator.com",
  "wa.me",
  "discord.com",
];
/** Suffixes of two labels under which names are registered; the others have one. */
const SECOND_LEVEL = /^(?:ac|co|com|edu|gov|net|org|or|ne)\.[a-z]{2}$/;

/** The channel of a referrer as it is stored. `ownHosts` are hosts in lower case, without ports. */
export function referrerChannel(referrer: string, ownHosts: ReadonlySet<string>): Channel {
  if (referrer === "") return "direct";
  if (referrer === "(other)") return "unclassified";
  const host = referrerHost(referrer);
  if (host === null) return "referral";
  if (isOwn(host, ownHosts)) return "internal";
  const name = registeredName(host);
  if (SEARCH_NAMES.has(name) || within(host, SEARCH_DOMAINS)) return "search";
  if (SOCIAL_NAMES.has(name) || within(host, SOCIAL_DOMAINS)) return "social";
  return "referral";
}

/** Host of a referrer that is a URL, an origin or a bare domain; null where it is something else. */
export function referrerHost(referrer: string): string | null {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(referrer)
    ? referrer.replace(/^[a-z][a-z0-9+.-]*:/i, "http:")
    : `http://${referrer}`;
  if (!URL.canParse(text)) return null;
  return new URL(text).hostname.toLowerCase().replace(/\.$/, "") || null;
}

/** `www.` makes no other site. */
function isOwn(host: string, ownHosts: ReadonlySet<string>): boolean {
  const bare = host.replace(/^www\./, "");
  return ownHosts.has(host) || ownHosts.has(bare) || ownHosts.has(`www.${bare}`);
}

function registeredName(host: string): string {
  const labels = host.split(".");
  const suffix = SECOND_LEVEL.test(labels.slice(-2).join(".")) ? 2 : 1;
  return labels.at(-1 - suffix) ?? "";
}

function within(host: string, domains: readonly string[]): boolean {
  return domains.some((domain) => host === domain || host.endsWith(`.${domain}`));
}
