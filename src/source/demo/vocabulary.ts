// Pages, referrers, browsers and headers of the generator's visitors. Pure data.

/** A site and its paths, most popular first. The names are reserved ones (RFC 2606), so no real site is meant. */
export const DEMO_SITES: readonly {
  readonly host: string;
  readonly weight: number;
  readonly paths: readonly string[];
}[] = [
  {
    host: "www.example.com",
    weight: 44,
    paths: ["/", "/pricing", "/features", "/about", "/contact", "/careers", "/press", "/legal"],
  },
  {
    host: "shop.example.com",
    weight: 26,
    paths: [
      "/",
      "/cart",
      "/checkout",
      "/c/lamps",
      "/c/chairs",
      "/c/desks",
      "/p/1004",
      "/p/1017",
      "/p/1033",
      "/p/1062",
      "/p/1090",
      "/p/1121",
    ],
  },
  {
    host: "blog.example.com",
    weight: 15,
    paths: [
      "/",
      "/feed.xml",
      "/2026/tides",
      "/2026/counting-once",
      "/2025/five-minutes",
      "/2025/late-arrivals",
      "/tags/data",
    ],
  },
  {
    host: "docs.example.com",
    weight: 10,
    paths: ["/", "/start", "/install", "/guide/windows", "/guide/watermarks", "/api", "/faq"],
  },
  { host: "status.example.com", weight: 3, paths: ["/", "/history"] },
  { host: "api.example.com", weight: 2, paths: ["/v1/prices", "/v1/search", "/v1/health"] },
];

/** Referrers by weight; "" is a direct visit. */
export const DEMO_REFERRERS: readonly (readonly [referrer: string, weight: number])[] = [
  ["", 380],
  ["https://www.google.com/", 240],
  ["https://www.bing.com/", 44],
  ["https://duckduckgo.com/", 28],
  ["https://search.brave.com/", 9],
  ["https://www.example.com/", 70],
  ["https://shop.example.com/", 36],
  ["https://blog.example.com/", 18],
  ["https://docs.example.com/start", 10],
  ["https://www.facebook.com/", 30],
  ["https://www.instagram.com/", 18],
  ["https://www.linkedin.com/", 20],
  ["https://www.reddit.com/", 22],
  ["https://news.ycombinator.com/", 16],
  ["https://www.youtube.com/", 14],
  ["https://t.co/", 14],
  ["https://github.com/", 12],
  ["https://en.wikipedia.org/", 7],
  ["https://news.example.org/technology", 6],
  ["https://partner.example.net/links", 5],
  ["android-app://com.google.android.gm/", 4],
];

/** Browsers by weight. */
export const DEMO_BROWSERS: readonly (readonly [agent: string, weight: number])[] = [
  [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    270,
  ],
  [
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    250,
  ],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    190,
  ],
  [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    90,
  ],
  [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    70,
  ],
  ["Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", 50],
  ["Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", 20],
  [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    60,
  ],
  [
    "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 Mobile/15E148 Safari/604.1",
    20,
  ],
];

/** Crawlers and tools by weight. */
export const DEMO_BOTS: readonly (readonly [agent: string, weight: number])[] = [
  ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 40],
  ["Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", 22],
  ["Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", 14],
  ["Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", 8],
  ["facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", 6],
  ["curl/8.14.1", 6],
  ["python-requests/2.32.4", 8],
];

/** Share of bots among visits. */
export const DEMO_BOT_SHARE = 0.12;

/** Values of the `headers` field. */
export const DEMO_HEADERS: readonly (readonly [headers: string, weight: number])[] = [
  ["accept: text/html; accept-language: en-US", 50],
  ["accept: text/html; accept-language: en-GB", 14],
  ["accept: text/html; accept-language: de", 12],
  ["accept: text/html; accept-language: fr", 8],
  ["accept: text/html; accept-language: es", 8],
  ["accept: */*", 8],
];
