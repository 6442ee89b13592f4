// The events of the model: all that the product and the oracle have in common. Pure.

/** One request. `place` is country code, region and city. */
export interface ModelEvent {
  /** Event time, epoch ms. */
  readonly time: number;
  readonly host: string;
  readonly referrer: string;
  readonly place: Place;
  readonly bot: boolean;
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
