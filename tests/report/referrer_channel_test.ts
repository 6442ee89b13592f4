import { assertEquals } from "@std/assert";
import { referrerChannel, referrerHost } from "../../src/report/referrer_channel.ts";

const OWN = new Set(["www.example.com", "shop.example.com"]);

Deno.test("referrerChannel() tells where a hit came from", () => {
  const table: [string, string][] = [
    ["", "direct"],
    ["https://www.google.com/", "search"],
    ["https://www.google.co.uk/search?q=x", "search"],
    ["google.com.au", "search"],
    ["https://search.brave.com/", "search"],
    ["android-app://com.google.android.googlequicksearchbox/", "search"],
    ["https://t.co/abc", "social"],
    ["https://l.facebook.com/l.php?u=x", "social"],
    ["https://news.ycombinator.com/item?id=1", "social"],
    ["https://not.co/abc", "referral"],
    ["https://google.evil.example/", "referral"],
    ["https://mygoogle.com/", "referral"],
    ["https://www.example.com/page", "internal"],
    ["https://example.com/page", "internal"],
    ["HTTPS://SHOP.EXAMPLE.COM:8443/", "internal"],
    ["https://blog.example.com/", "referral"],
    ["(other)", "unclassified"],
    ["%%%", "referral"],
  ];
  for (const [referrer, channel] of table) assertEquals(referrerChannel(referrer, OWN), channel, referrer);
});

Deno.test("referrerHost() reads URLs, origins and bare domains", () => {
  assertEquals(referrerHost("https://user:pw@Example.COM.:80/x"), "example.com");
  assertEquals(referrerHost("example.com"), "example.com");
  assertEquals(referrerHost("http://"), null);
});
