import { assert, assertEquals } from "@std/assert";
import { AGENT_CHARACTERS_MAX } from "../../src/breakdown/client.ts";
import { BotVerdicts, isBotAgent } from "../../src/event/bots.ts";

const HUMAN = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

function verdictOf(verdicts: BotVerdicts, token: string): number {
  const bytes = new TextEncoder().encode(`x${token}x`);
  return verdicts.ofToken(bytes, new DataView(bytes.buffer), 1, bytes.length - 1);
}

Deno.test("isBotAgent() tells crawlers and tools from browsers", () => {
  assertEquals([HUMAN, BOT, "curl/8.5.0", ""].map(isBotAgent), [false, true, true, false]);
});

Deno.test("isBotAgent() looks at the beginning only", () => {
  assertEquals(isBotAgent(HUMAN.padEnd(AGENT_CHARACTERS_MAX, " ") + "Googlebot"), false);
});

Deno.test("BotVerdicts gives the same answers from the cache, and -1 for what is not JSON string", () => {
  const verdicts = new BotVerdicts(7);
  for (let sight = 0; sight < 2; sight++) {
    assertEquals([HUMAN, BOT, "\\u0047ooglebot", "a\\q", "\t"].map((token) => verdictOf(verdicts, token)), [
      0,
      1,
      1,
      -1,
      -1,
    ]);
  }
});

Deno.test("BotVerdicts stays small and right under a flood of invented agents", () => {
  const verdicts = new BotVerdicts(7);
  let most = 0;
  for (let n = 0; n < 12_000; n++) {
    assertEquals(verdictOf(verdicts, `${HUMAN} ${n} ${"y".repeat(1500)}`), 0);
    most = Math.max(most, verdicts.memoryBytes);
  }
  assert(most < 20 * 1024 * 1024, `${most}`);
  assert(verdicts.memoryBytes < most);
  assertEquals(verdictOf(verdicts, BOT), 1);
});
