// Places of the generator's visitors: public address blocks of well-known cities, from DB-IP's city and country files (CC BY 4.0).
// `tests/source/demo/places_test.ts` checks them against the country file. Pure data.

/** Visitors of one city. */
interface DemoCity {
  readonly country: string;
  readonly city: string;
  /** Local time minus UTC in hours; decides when its people are online. */
  readonly utcOffset: number;
  /** Relative share among all cities. */
  readonly weight: number;
  /** The first three parts of IPv4 addresses, `130.88.178`; the fourth is any of 1 to 254. */
  readonly v4: readonly string[];
  /** The first three groups of an IPv6 address. */
  readonly v6?: string;
}

type Row = readonly [country: string, city: string, utcOffset: number, weight: number, v4: string, v6?: string];

const ROWS: readonly Row[] = [
  ["US", "New York", -5, 90, "216.44.116 146.95.199 38.105.176"],
  ["US", "Los Angeles", -8, 62, "76.204.230 205.153.159 45.48.245"],
  ["US", "Chicago", -6, 48, "24.53.130 76.227.128 72.135.188", "2600:6c8e:3e26"],
  ["US", "Houston", -6, 30, "172.12.190 99.64.40"],
  ["US", "San Francisco", -8, 44, "69.28.126"],
  ["US", "Seattle", -8, 38, "71.231.64 76.135.118"],
  ["US", "Miami", -5, 22, "216.21.68 208.63.41"],
  ["US", "Dallas", -6, 30, "24.162.68 129.112.240"],
  ["US", "Boston", -5, 30, "108.34.215 67.88.193"],
  ["US", "Atlanta", -5, 26, "170.140.109 65.83.179"],
  ["CA", "Toronto", -5, 34, "178.93.248 4.11.177", "2606:c947:5d39"],
  ["CA", "Montreal", -5, 16, "104.158.79 204.205.232"],
  ["CA", "Vancouver", -8, 14, "70.79.203 174.6.174"],
  ["MX", "Mexico City", -6, 24, "201.141.70 201.163.170"],
  ["BR", "Sao Paulo", -3, 46, "179.72.61 177.119.87 187.86.123", "2804:1694:ed5b"],
  ["BR", "Rio de Janeiro", -3, 22, "201.88.106 179.105.84"],
  ["AR", "Buenos Aires", -3, 20, "181.92.79 186.158.76"],
  ["CL", "Santiago", -4, 12, "190.160.119 186.37.253"],
  ["CO", "Bogota", -5, 14, "190.69.193 186.29.251"],
  ["PE", "Lima", -5, 9, "190.105.246 209.45.102"],
  ["GB", "London", 0, 86, "194.97.42 135.140.147 213.123.3"],
  ["GB", "Manchester", 0, 22, "130.88.178"],
  ["GB", "Birmingham", 0, 15, "147.188.222 147.188.228"],
  ["IE", "Dublin", 0, 18, "89.36.142"],
  ["FR", "Paris", 1, 64, "193.253.228 77.204.213 92.61.75", "2a01:c6ef:8752"],
  ["FR", "Lyon", 1, 14, "90.114.161 176.152.79"],
  ["FR", "Marseille", 1, 10, "82.231.22 86.221.96"],
  ["DE", "Berlin", 1, 50, "87.140.56 152.233.21"],
  ["DE", "Hamburg", 1, 24, "95.113.148 185.220.218"],
  ["DE", "Munich", 1, 28, "5.145.150"],
  ["DE", "Frankfurt am Main", 1, 34, "77.20.14 188.99.105", "2a02:8105:f094"],
  ["NL", "Amsterdam", 1, 40, "195.172.245 86.82.205 82.74.235", "2001:4341:af2c"],
  ["BE", "Brussels", 1, 14, "84.199.125 213.177.84"],
  ["ES", "Madrid", 1, 30, "130.206.214 195.53.160 213.0.246"],
  ["ES", "Barcelona", 1, 20, "88.4.219 147.83.165"],
  ["PT", "Lisbon", 0, 13, "193.126.218 146.193.198"],
  ["IT", "Milan", 1, 28, "78.218.255 195.103.40", "2a01:2510:6b43"],
  ["IT", "Rome", 1, 22, "87.20.234 151.14.147"],
  ["CH", "Zurich", 1, 18, "62.203.148 178.199.221", "2001:626:1e04"],
  ["AT", "Vienna", 1, 16, "193.170.28"],
  ["PL", "Warsaw", 1, 24, "5.173.8"],
  ["CZ", "Prague", 1, 14, "194.108.85"],
  ["HU", "Budapest", 1, 10, "94.44.97 145.236.225"],
  ["RO", "Bucharest", 2, 12, "92.85.131"],
  ["GR", "Athens", 2, 10, "154.57.86 91.140.93"],
  ["SE", "Stockholm", 1, 22, "194.218.49 194.236.211", "2001:2091:e406"],
  ["NO", "Oslo", 1, 12, "158.37.85"],
  ["DK", "Copenhagen", 1, 13, "83.88.71 188.177.140"],
  ["FI", "Helsinki", 2, 12, "62.236.33 84.248.222"],
  ["UA", "Kyiv", 2, 12, "178.151.84 178.150.230"],
  ["TR", "Istanbul", 3, 26, "176.217.202"],
  ["IL", "Tel Aviv", 2, 12, "79.181.30 147.234.182"],
  ["AE", "Dubai", 4, 12, "54.137.201"],
  ["SA", "Riyadh", 3, 12, "188.224.129 37.240.217"],
  ["EG", "Cairo", 2, 13, "105.39.50 41.155.242"],
  ["NG", "Lagos", 1, 12, "105.126.55 105.113.238"],
  ["KE", "Nairobi", 3, 7, "196.97.25"],
  ["ZA", "Johannesburg", 2, 12, "196.11.226"],
  ["IN", "Mumbai", 5.5, 48, "59.181.1", "2402:ef02:d79a"],
  ["IN", "New Delhi", 5.5, 44, "125.23.158 106.199.75"],
  ["IN", "Bengaluru", 5.5, 42, "122.181.166 182.71.1"],
  ["CN", "Beijing", 8, 20, "111.228.213 124.200.216"],
  ["CN", "Shanghai", 8, 22, "114.89.60 112.64.136"],
  ["HK", "Hong Kong", 8, 16, "103.114.44"],
  ["TW", "Taipei", 8, 18, "61.225.104 218.161.127"],
  ["JP", "Shinjuku", 9, 46, "106.180.130 60.192.55 113.154.92"],
  ["JP", "Osaka", 9, 22, "114.168.27 211.11.45", "2400:43c6:162f"],
  ["KR", "Seoul", 9, 32, "125.128.112"],
  ["SG", "Singapore", 8, 26, "103.44.68", "2001:a62a:bb78"],
  ["MY", "Kuala Lumpur", 8, 12, "120.140.57"],
  ["TH", "Bangkok", 7, 14, "44.32.82 154.83.26"],
  ["ID", "Jakarta", 7, 26, "61.247.42 118.136.164"],
  ["PH", "Quezon City", 8, 14, "112.203.239 165.220.65"],
  ["VN", "Hanoi", 7, 12, "14.231.181 117.2.214"],
  ["AU", "Sydney", 10, 34, "121.215.31 144.136.239", "2001:8481:c123"],
  ["AU", "Melbourne", 10, 22, "130.102.200 124.189.253"],
  ["NZ", "Auckland", 12, 10, "182.27.102"],
];

/** The cities. Their order is fixed, because records depend on it. */
export const DEMO_CITIES: readonly DemoCity[] = ROWS.map(([country, city, utcOffset, weight, v4, v6]) => ({
  country,
  city,
  utcOffset,
  weight,
  v4: v4.split(" "),
  ...(v6 === undefined ? {} : { v6 }),
}));
