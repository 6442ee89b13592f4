// The events of the model: all that the product and the oracle have in common. Pure.

/** One request. `place` is country code, region and city. */
export interface ModelEvent {
  /** Event time, epoch ms. */
  readonly time: number;
  readonly host: string;
  readonly referrer: string;
  readonly place: Place;
  readonly bot: boolean;
  /** Values of breakdowns as they are stored: a visitor is an address with a client. */
  readonly page: string;
  readonly client: string;
  readonly campaign: string;
  readonly address: string;
}

export type Place = readonly [country: string, region: string, city: string];

/** A record in the log of one partition. */
export interface LogRecord {
  /** When it can be read, epoch ms. */
  readonly arrival: number;
  readonly event: ModelEvent;
}

export const HOSTS: readonly string[] = [
  "www.example.com",
  "shop.example.com",
  "a.example:8080",
  "xn--bcher-kva.example",
];

/** The two texts have the same MD5 (a published collision) and differ in one letter. */
export const SAME_MD5 = [
  "TEXTCOLLBYfGiJUETHQ4hAcKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aHeAuaKnak",
  "TEXTCOLLBYfGiJUETHQ4hEcKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aHeAuaKnak",
] as const;

/** Texts that a careless comparison takes for one another: by case, by accents composed or not, by trailing blanks. */
export const REFERRERS: readonly string[] = [
  "",
  "https://www.google.com/",
  "https://t.co/x",
  "https://www.example.com/start",
  'https://blog.example.org/a,b"c\\',
  'https://blog.example.org/A,b"c\\',
  "https://r.example/é",
  "https://r.example/e\u0301",
  "https://r.example/é ",
  ...SAME_MD5,
];

/** The channel of each referrer that has one of its own; the others are referrals. `www.example.com` is a host of ours where it is known. */
export const CHANNEL_OF: ReadonlyMap<string, string> = new Map([
  ["", "direct"],
  ["https://www.google.com/", "search"],
  ["https://t.co/x", "social"],
]);
export const OWN_REFERRER = { referrer: "https://www.example.com/start", host: "www.example.com" } as const;

export const PLACES: readonly Place[] = [
  ["DE", "Berlin", "Berlin"],
  ["DE", "Berlin", ""],
  ["US", "Illinois", "Springfield"],
  ["US", "Massachusetts", "Springfield"],
  ["JP", "Tokyo", "東京"],
  ["AU", "", ""],
  ["unknown", "", ""],
];

/** Values that differ in case, an accent or what follows them, reserved ones, and some that a careless writer of arrays would break. */
export const PAGES: readonly string[] = ["/", "/a", "/A", '/é,"{}\\', "/e\u0301", "/a/b", "(asset)", "(error)"];
export const CLIENTS: readonly string[] = [
  "Chrome\x1eWindows\x1edesktop",
  "Chrome\x1eAndroid\x1emobile",
  "Safari\x1eiOS\x1emobile",
  "(unknown)\x1e(unknown)\x1e(unknown)",
];
export const BOT_CLIENT = "(bot)\x1e(bot)\x1e(bot)";
export const CAMPAIGNS: readonly string[] = ["(none)", "(none)", "news\x1email\x1espring", "news\x1e\x1e"];
/** Addresses of clients; the last cannot be read as one. */
export const ADDRESSES: readonly string[] = [
  ...Array.from({ length: 30 }, (_, n) => `10.0.0.${n}`),
  "fd00::1",
  "not-an-address",
];
