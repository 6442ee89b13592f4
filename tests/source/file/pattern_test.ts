import { assertEquals } from "@std/assert";
import { fixedFolder, hostIn, movedTo, parsePattern } from "../../../src/source/file/pattern.ts";

Deno.test("parsePattern() matches what the glob matches", () => {
  const matches = (pattern: string, path: string) => parsePattern(pattern).expression.test(path);
  const yes: readonly (readonly [string, string])[] = [
    ["/log/*.log", "/log/a.log"],
    ["/log/access.log*", "/log/access.log.1.gz"],
    ["/log/a?.log", "/log/ab.log"],
    ["/log/[ab].log", "/log/b.log"],
    ["/log/[!ab].log", "/log/c.log"],
    ["/log/{a,b}.log", "/log/b.log"],
    ["/srv/**/a.log", "/srv/x/y/a.log"],
    ["/srv/**/a.log", "/srv/a.log"],
    ["/log/a+(b).log", "/log/a+(b).log"],
  ];
  const no: readonly (readonly [string, string])[] = [
    ["/log/*.log", "/log/x/a.log"],
    ["/log/*.log", "/log/a.log.1"],
    ["/log/[!ab].log", "/log/a.log"],
    ["/log/a.log", "/log/aXlog"],
  ];
  for (const [pattern, path] of yes) assertEquals(matches(pattern, path), true, `${pattern} ${path}`);
  for (const [pattern, path] of no) assertEquals(matches(pattern, path), false, `${pattern} ${path}`);
});

Deno.test("hostIn() gives the host where the path names it", () => {
  const host = (pattern: string, path: string) => hostIn(parsePattern(pattern), path);
  assertEquals(host("/log/{host}.access.log*", "/log/a.example.access.log.1"), "a.example");
  assertEquals(host("/var/www/{host}/logs/access.log", "/var/www/b.example/logs/access.log"), "b.example");
  assertEquals(host("/srv/{host}/{host}.log", "/srv/a.example/a.example.log"), "a.example");
  assertEquals(host("/srv/{host}/{host}.log", "/srv/a.example/b.example.log"), undefined);
  assertEquals(host("/log/*.log", "/log/a.log"), undefined);
});

Deno.test("movedTo() keeps the pattern's name and what it leaves open", () => {
  const pattern = parsePattern("/var/log/*/{host}.log");
  assertEquals(fixedFolder(pattern), "/var/log");
  const moved = movedTo(pattern, "/data");
  assertEquals([moved.glob, moved.absolute], ["/data/*/*.log", "/var/log/*/{host}.log"]);
  assertEquals(hostIn(moved, "/data/x/a.example.log"), "a.example");
});
