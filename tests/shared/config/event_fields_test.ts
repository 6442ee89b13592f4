import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  allPaths,
  EVENT_FIELD_NAMES,
  type FieldPaths,
  formatEventFields,
  parseEventFields,
} from "../../../src/shared/config/event_fields.ts";

Deno.test("parseEventFields() reads names, nesting, positions and quoted keys", () => {
  assertEquals<unknown>(
    parseEventFields(
      'event_time:ts, ip:request.remote_ip,user_agent:request.headers.User-Agent[0],host:["a.b"].c["x\\"y"]',
    ),
    {
      event_time: ["ts"],
      ip: ["request", "remote_ip"],
      user_agent: ["request", "headers", "User-Agent", 0],
      host: ["a.b", "c", 'x"y'],
    },
  );
  assertEquals<unknown>(parseEventFields(""), {});
  assertEquals<unknown>(parseEventFields("event_time:@timestamp"), { event_time: ["@timestamp"] });
});

Deno.test("parseEventFields() says what does not fit", () => {
  for (
    const text of [
      "ts",
      "time:ts",
      "event_time:",
      "event_time:a..b",
      "event_time:a.",
      "event_time:.a",
      "event_time:a,",
      "event_time:a b",
      "event_time:a[x]",
      "event_time:a[01]",
      'event_time:["a]',
      'event_time:[""]',
      "event_time:a,event_time:b",
      "event_time:a,host:a",
      "event_time:a,host:a.b",
      "event_time:a.b.c.d.e.f.g.h.i",
      "headers:x",
    ]
  ) assert(typeof parseEventFields(text) === "string", text);
});

Deno.test("formatEventFields() writes one text for one mapping, which reads back", () => {
  const path = fc.array(fc.oneof(fc.string({ minLength: 1 }).filter((key) => !/\p{Cc}/u.test(key)), fc.nat(999)), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(fc.uniqueArray(path, { minLength: 1, maxLength: 6, selector: (p) => p[0] }), (paths) => {
      const fields = Object.fromEntries(paths.map((one, i) => [EVENT_FIELD_NAMES[i]!, one])) as FieldPaths;
      const text = formatEventFields(fields);
      const read = parseEventFields(text);
      assert(typeof read !== "string", `${text}: ${read}`);
      assertEquals(formatEventFields(read), text);
    }),
  );
  assertEquals(formatEventFields({ host: ["host"], ip: ["a"] }), "ip:a");
});

Deno.test("allPaths() leaves a field out whose own name another one's path begins with", () => {
  assertEquals<unknown>(allPaths({ host: ["url", "domain"] }), {
    event_time: ["event_time"],
    host: ["url", "domain"],
    referrer: ["referrer"],
    ip: ["ip"],
    user_agent: ["user_agent"],
    method: ["method"],
    status: ["status"],
  });
});
