// Goal: a format string pasted out of a server's configuration reads that server's lines; one that cannot be read says why.
import { assertEquals, assertThrows } from "@std/assert";
import { compileFormat, FormatProblem } from "../../../src/event/log_line/compile.ts";
import { FORMAT_NAMES, logFormat } from "../../../src/event/log_line/formats.ts";
import { readByFormat } from "../../../src/event/log_line/read.ts";

const read = (format: string, line: string) => readByFormat(line, compileFormat(format));
const UA = "Mozilla/5.0 (X11)";

Deno.test("compileFormat() reads nginx's log_format, with its directive or without", () => {
  const format =
    `$server_name $remote_addr - $remote_user [$time_iso8601] "$request" $status "$http_referer" "$http_user_agent" $request_time`;
  const line =
    `shop.example 198.51.100.7 - joe doe [2026-03-03T10:00:07+01:00] "GET /a HTTP/1.1" 200 "-" "${UA}" 0.004`;
  const expected = {
    event_time: "2026-03-03T10:00:07+01:00",
    host: "shop.example",
    url: "/a",
    user_agent: UA,
    method: "GET",
    status: "200",
    ip: "198.51.100.7",
  };
  assertEquals(read(format, line), expected);
  const [one, two] = [format.slice(0, 40), format.slice(40)];
  assertEquals(read(`log_format main escape=default '${one}'\n  '${two}';`, line), expected);
  assertEquals(read("${msec} ${remote_addr}", "1772532007.125 198.51.100.7"), {
    event_time: "1772532007.125",
    ip: "198.51.100.7",
  });
});

Deno.test("compileFormat() reads Apache's LogFormat, modifiers and times of its own", () => {
  const line =
    `shop.example:443 198.51.100.7 - - [03/Mar/2026:10:00:07 +0000] "GET /a HTTP/1.1" 200 5 "https://r.example/" "${UA}"`;
  assertEquals(
    read(
      String.raw`LogFormat "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"" vhost_combined`,
      line,
    ),
    {
      event_time: "03/Mar/2026:10:00:07 +0000",
      host: "shop.example",
      url: "/a",
      referrer: "https://r.example/",
      user_agent: UA,
      method: "GET",
      status: "200",
      ip: "198.51.100.7",
    },
  );
  assertEquals(read("%{%Y-%m-%dT%H:%M:%S%z}t %a %!200,304{Host}i %U", "2026-03-03T10:00:07+0000 198.51.100.7 - /a"), {
    event_time: "2026-03-03T10:00:07+0000",
    url: "/a",
    ip: "198.51.100.7",
  });
  assertEquals(
    read("%{X-Forwarded-For}i %h %t", "203.0.113.9, 10.0.0.1 198.51.100.7 [03/Mar/2026:10:00:07 +0000]")?.ip,
    "203.0.113.9, 10.0.0.1, 198.51.100.7",
  );
});

Deno.test("compileFormat() reads a W3C header", () => {
  assertEquals(
    read(
      "#Fields: date time c-ip cs-host cs-uri-stem cs(User-Agent)",
      "2026-03-03 10:00:07 198.51.100.7 shop.example /a Mozilla/5.0+(X11)",
    ),
    { event_time: "2026-03-03T10:00:07Z", host: "shop.example", url: "/a", user_agent: UA, ip: "198.51.100.7" },
  );
});

Deno.test("readByFormat() reads method, status and query wherever the format has them", () => {
  const line = "2026-03-03 10:00:07 10.0.0.1 GET /a b=c 443 - 198.51.100.7 Mozilla/5.0 https://r.example/ 404 0 0 15";
  const iis = logFormat("iis");
  const { format } = iis as Extract<typeof iis, { kind: "line" }>;
  const { url, method, status } = readByFormat(line, format)!;
  assertEquals([url, method, status], ["/a?b=c", "GET", "404"]);
  const none = readByFormat(line.replace("b=c", "-").replace("404 0 0 15", "-"), format)!;
  assertEquals([none.url, none.method, none.status], ["/a", "GET", undefined]);
  assertEquals(read("%t %m %U %q %>s", "[03/Mar/2026:10:00:07 +0000] POST /a ?b=c 500"), {
    event_time: "03/Mar/2026:10:00:07 +0000",
    url: "/a?b=c",
    method: "POST",
    status: "500",
  });
  // The request has its query already.
  assertEquals(read('$time_iso8601 "$request" $args', '2026-03-03T10:00:07Z "GET /a?b=c HTTP/1.1" b=c')?.url, "/a?b=c");
});

Deno.test("readByFormat() needs nothing of the page: what is behind the last value of an event may be anything", () => {
  const format = `$time_iso8601 $remote_addr "$http_user_agent" <$status> $request_method`;
  const start = `2026-03-03T10:00:07Z 198.51.100.7 "${UA}"`;
  const event = { event_time: "2026-03-03T10:00:07Z", ip: "198.51.100.7", user_agent: UA };
  for (
    const [rest, page] of [
      [" <200> GET", { status: "200", method: "GET" }],
      [" <200> GET more", { status: "200", method: "GET more" }],
      [" <200>", { status: "200>" }],
      ["", {}],
      [" 200 GET", {}],
      [" <-> GET", { method: "GET" }],
      ["x", {}],
    ] as const
  ) assertEquals(read(format, start + rest), { ...page, ...event }, rest);
  assertEquals(compileFormat(format).parts, compileFormat(`$time_iso8601 $remote_addr "$http_user_agent" x`).parts);
});

Deno.test("readByFormat() takes the quote that the rest of the line fits, and lines that end early", () => {
  const format = `$remote_addr [$time_local] "$request" $status "$http_user_agent"`;
  const time = "03/Mar/2026:10:00:07 +0000";
  assertEquals(read(format, `198.51.100.7 [${time}] "GET /?a="b" HTTP/1.1" 200 "x"`)?.url, '/?a="b"');
  assertEquals(read(format, `198.51.100.7 [${time}] "GET / HTTP/1.1" 200`)?.user_agent, undefined);
  assertEquals(read(format, `198.51.100.7 [${time}]`)?.ip, "198.51.100.7");
  assertEquals(read(format, `198.51.100.7 (${time})`), undefined);
  assertEquals(read(format, ""), undefined);
  // Many quotes may not make a line slow.
  assertEquals(read(format, `198.51.100.7 [${time}] "${'" '.repeat(50_000)}`)?.ip, "198.51.100.7");
});

Deno.test("compileFormat() says why a format cannot be read", () => {
  for (
    const [format, words] of [
      ["hello", "neither a variable"],
      ["$remote_addr $status", "no time"],
      ["$remote_addr$time_local", "nothing tells them apart"],
      ["%h %>s", "no time"],
      ["#Fields: c-ip", "no time"],
    ] as const
  ) assertThrows(() => compileFormat(format), FormatProblem, words);
});

Deno.test("every named format compiles", () => {
  for (const name of FORMAT_NAMES) logFormat(name);
});
