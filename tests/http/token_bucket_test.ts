import { assertEquals } from "@std/assert";
import { clientKey, TokenBuckets } from "../../src/http/server/token_bucket.ts";

Deno.test("TokenBuckets.take() lets a burst through, then the rate, and says how long to wait", () => {
  const buckets = new TokenBuckets({ perSecond: 10, burst: 2, clientsMax: 10 });
  assertEquals([buckets.take("a", 0), buckets.take("a", 0), buckets.take("a", 0)], [0, 0, 100]);
  assertEquals([buckets.take("a", 99), buckets.take("a", 100), buckets.take("a", 100)], [1, 0, 100]);
  assertEquals(buckets.take("b", 100), 0);
});

Deno.test("TokenBuckets.take() gives nothing away when the clock jumps back, and not more than the burst when it jumps ahead", () => {
  const buckets = new TokenBuckets({ perSecond: 10, burst: 1, clientsMax: 10 });
  assertEquals([buckets.take("a", 1_000_000), buckets.take("a", 0), buckets.take("a", 50)], [0, 100, 50]);
  assertEquals([buckets.take("a", 9e12), buckets.take("a", 9e12)], [0, 100]);
});

Deno.test("TokenBuckets.take() remembers a bounded number of clients, the latest ones", () => {
  const buckets = new TokenBuckets({ perSecond: 1, burst: 1, clientsMax: 100 });
  for (let i = 0; i < 10_000; i++) buckets.take(`client ${i}`, 0);
  assertEquals(buckets.size, 100);
  assertEquals([buckets.take("client 9999", 0), buckets.take("client 0", 0)], [1000, 0]);
});

Deno.test("clientKey() is one key for all addresses that one client holds", () => {
  for (
    const [address, key] of [
      ["192.0.2.7", "192.0.2.7"],
      ["::ffff:192.0.2.7", "192.0.2.7"],
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
      ["2001:DB8:1:2::9", "2001:db8:1:2"],
      ["2001:db8::1", "2001:db8:0:0"],
      ["fe80::1%eth0", "fe80:0:0:0"],
      ["::1", "0:0:0:0"],
      [undefined, "local"],
    ] as const
  ) assertEquals(clientKey(address), key);
});
