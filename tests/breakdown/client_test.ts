// Clients of real user agents: a fixture. What other texts give: properties and hostile values.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AGENT_CHARACTERS_MAX, BOT_CLIENT, clientOf, DEVICES, UNKNOWN_CLIENT } from "../../src/breakdown/client.ts";
import { isBotAgent } from "../../src/event/bots.ts";
import { AGENTS } from "./agents.ts";

Deno.test("clientOf() knows real agents", () => {
  assert(AGENTS.length >= 40);
  for (const [agent, browser, os, device] of AGENTS) {
    assertEquals(clientOf(agent, isBotAgent(agent)), { browser, os, device }, agent);
  }
});

Deno.test("clientOf() says bot of all that is one, and unknown of a missing agent", () => {
  const bot = { browser: BOT_CLIENT, os: BOT_CLIENT, device: BOT_CLIENT };
  assertEquals(clientOf(AGENTS[0]![0], true), bot);
  assertEquals(clientOf("", true), bot);
  const unknown = { browser: UNKNOWN_CLIENT, os: UNKNOWN_CLIENT, device: UNKNOWN_CLIENT };
  for (const agent of ["", " ", "\0", "x", "/", "(", "x/1 (y) z", "<script>/1 x"]) {
    assertEquals(clientOf(agent, false), unknown, agent);
  }
});

Deno.test("clientOf() never throws, and never repeats what an agent says", () => {
  const browsers = new Set<string>(), systems = new Set<string>();
  const piece = fc.oneof(
    fc.constantFrom(...AGENTS.flatMap(([agent]) => agent.split(/(?=[ (;/])/))),
    fc.string({ unit: "binary", maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const { browser, os, device } = clientOf(pieces.join(""), false);
      browsers.add(browser);
      systems.add(os);
      assert(device === UNKNOWN_CLIENT || DEVICES.some((one) => one === device), device);
      assert(!/[^A-Za-z0-9() -]/.test(browser + os), browser + os);
    }),
    { numRuns: 1_000 },
  );
  assert(browsers.size < 100 && systems.size < 30);
});

Deno.test("clientOf() reads hostile agents in bounded time", () => {
  const units = [
    "a",
    " ",
    "(",
    "; ",
    "/",
    "Android ",
    "AFT",
    "Safari/",
    "Version/1 ",
    "Windows ",
    "Opera ",
    "mac os x 1_",
    "nexus 7",
    "FxiOS",
    "1.",
  ]
    .concat(["Macintosh FxiOS", "AppleWebKit (", "a/b ", "tablet ", "like ", "\ud800"]);
  for (const unit of units) {
    const agent = unit.repeat(Math.ceil((1 << 20) / unit.length));
    const started = performance.now();
    for (let i = 0; i < 5; i++) clientOf(agent, false);
    const took = (performance.now() - started) / 5;
    assert(took < 100, `${unit}: ${took} ms`);
    assertEquals(clientOf(agent, false), clientOf(agent.slice(0, AGENT_CHARACTERS_MAX), false));
  }
});
