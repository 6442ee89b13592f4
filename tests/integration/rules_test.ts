// `tidemark rules` over real commands: a switch in the middle of a log, other field names, and that a replay reads each part by its own rules.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { dispatch } from "../../src/cli/dispatch.ts";
import { fakeHost } from "../cli/fake_host.ts";
import { startPostgres } from "../support/postgres.ts";

const RANGE = ["--from", "2026-11-20T10:00Z", "--to", "2026-11-20T10:05Z"];

Deno.test("rules are switched in the middle of a log, and the replay of it is identical", async () => {
  await using postgres = await startPostgres();
  const folder = await Deno.makeTempDir({ prefix: "tidemark-rules-" });
  const path = `${folder}/a.ndjson`;
  const env = {
    DATA_DIR: `${folder}/data`,
    SOURCE: "file",
    FILE_PATH: path,
    FILE_HOST: "x",
    POSTGRES_URL: postgres.url,
    LOG_FORMAT: "text",
    HTTP_PORT: "9",
    // Or the end of each run would close the window.
    IDLE_TIMEOUT: "off",
  };
  const tidemark = async (words: readonly string[], more: Readonly<Record<string, string>> = {}) => {
    const host = fakeHost({ env: { ...env, ...more } });
    return { code: await dispatch(words, host), ...await host.written() };
  };
  const read = async (lines: readonly object[], more: Readonly<Record<string, string>> = {}) => {
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    await Deno.writeTextFile(path, text, { append: true });
    const { code, err } = await tidemark(["run", "--once"], more);
    assertEquals(code, 0, err);
  };
  const time = "2026-11-20T10:01:00Z", host = "Shop.example.:443";
  try {
    await read([{ event_time: time, host: "begins.example" }]);
    assertMatch((await tidemark(["rules", "--switch", "--to", "1"])).out, /then: \{"version":1\}/);
    await read([{ event_time: time, host }, { event_time: "1795168860.5", host: "dead.example" }]);
    assertMatch((await tidemark(["rules", "--switch", "--dry-run"])).out, /now: .*1\}[^]*then: \{"version":2/);
    assertMatch((await tidemark(["rules"])).out, /stored: +\{"version": 1\}/, "a dry run switches nothing");
    assertEquals((await tidemark(["rules", "--switch"])).code, 0);
    await read([{ event_time: time, host }, { event_time: "1795168860.5", host: "dead.example" }]);

    const fields = { EVENT_FIELDS: "event_time:ts,host:request.host" };
    const refused = await tidemark(["run", "--once"], fields);
    assertEquals(refused.code, 2);
    assertMatch(
      refused.err,
      /event_rules_differ: EVENT_FIELDS is event_time:ts,host:request.host in the settings, empty/,
    );
    assertEquals((await tidemark(["rules", "--switch"], fields)).code, 0);
    assertEquals((await tidemark(["run", "--once"])).code, 2, "the old settings are the wrong ones now");
    await read([{ ts: 1795168860.25, request: { host: "mapped.example" } }], fields);
    // Closes the window.
    await read([{ ts: "2026-11-20T10:30:00Z", request: { host: "mapped.example" } }], fields);

    const { out } = await tidemark(["replay", ...RANGE], fields);
    assertMatch(out, /published +5 hits in 5 rows[^]*Identical\./);
    const spans = JSON.parse((await tidemark(["rules", "--json"], fields)).out).spans as {
      readonly from_offset: number;
      readonly rules: { readonly version: number };
    }[];
    assertEquals(spans.map(({ rules }) => rules.version), [2, 1, 2, 2]);
    assert(spans.every(({ from_offset }, i) => i === 0 || from_offset > spans[i - 1]!.from_offset));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
