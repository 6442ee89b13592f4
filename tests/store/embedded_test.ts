// The embedded server without PGlite: wire messages, and turns against a recorded fake database.
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  fatal,
  firstText,
  message,
  messageLength,
  messageType,
  parseOpening,
  query,
  readsClientData,
  settingsSql,
  startupPacket,
  SYNC,
} from "../../src/store/embedded/protocol.ts";
import { EmbeddedServer } from "../../src/store/embedded/server.ts";
import { type Rank, Turns } from "../../src/store/embedded/turns.ts";
import { until } from "../support/wait.ts";

const text = (value: string) => new TextEncoder().encode(value);

Deno.test("parseOpening() tells startup packets, encryption requests and foreign bytes apart", () => {
  const startup = startupPacket("ann", "web");
  const request = (code: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setInt32(0, 8);
    new DataView(bytes.buffer).setInt32(4, code);
    return bytes;
  };
  const parsed = parseOpening(startup);
  assert(parsed.kind === "startup");
  assertEquals([...parsed.parameters], [["user", "ann"], ["database", "web"]]);
  assertEquals(parsed.length, startup.length);
  assertEquals(parseOpening(startup.subarray(0, startup.length - 1)).kind, "incomplete");
  assertEquals(parseOpening(request(80877103)).kind, "encryption");
  assertEquals(parseOpening(request(80877102)).kind, "cancel");
  assertEquals(parseOpening(request(131072)).kind, "foreign");
  assertEquals(parseOpening(text("GET / HTTP/1.1\r\n")).kind, "foreign");
});

Deno.test("messageLength() waits for the whole message and refuses lengths that cannot be", () => {
  const bytes = query("select 1");
  assertEquals(messageLength(bytes), bytes.length);
  assertEquals(messageLength(bytes.subarray(0, bytes.length - 1)), 0);
  assertEquals(messageLength(bytes.subarray(0, 4)), 0);
  assertThrows(() => messageLength(Uint8Array.of(0x51, 0, 0, 0, 3)), Error);
  assertThrows(() => messageLength(Uint8Array.of(0x51, 0x7f, 0, 0, 0)), Error);
});

Deno.test("settingsSql() quotes values and leaves out what is not a setting", () => {
  const sql = settingsSql(new Map([["user", "u"], ["database", "d"], ["search_path", "o'b"], ["_pq_.x", "1"]]));
  assertEquals(sql, "reset all; select set_config('search_path', 'o''b', false)");
});

Deno.test("readsClientData() finds COPY FROM STDIN only", () => {
  assert(readsClientData(query("COPY t (a, b)\n FROM  stdin with csv")));
  assert(!readsClientData(query("copy (select 1) to stdout")));
  assert(!readsClientData(query("insert into copy select a from stdin_log")));
});

/** Takes turns in the order in which they are given and notes who had them; each lasts as long as it says. */
async function order(waiting: readonly (readonly [Rank, string])[], lasts: (name: string) => number = () => 1) {
  let now = 0;
  const turns = new Turns(() => now, () => Promise.resolve()), had: string[] = [];
  await turns.take("work");
  const all = waiting.map(async ([rank, name]) => {
    await turns.take(rank);
    had.push(name);
    now += lasts(name);
    turns.give();
  });
  now += 1;
  turns.give();
  await Promise.all(all);
  return had.join(" ");
}

Deno.test("Turns gives the turn to commits, then to the stream's other work, then to readers, each in order", async () => {
  const readers = [["reader", "r1"], ["reader", "r2"], ["reader", "r3"]] as const;
  const asked = [...readers, ["work", "w1"], ["work", "w2"], ["commit", "c1"], ["commit", "c2"]] as const;
  assertEquals(await order(asked), "c1 c2 w1 w2 r1 r2 r3");
});

Deno.test("Turns leaves readers a fifth of the time while the stream always has something to do", async () => {
  const commits = Array.from({ length: 8 }, (_, i) => ["commit", `c${i}`] as const);
  assertEquals(
    await order(
      [["reader", "r1"], ["reader", "r2"], ["reader", "r3"], ...commits],
      (name) => name[0] === "r" ? 200 : 400,
    ),
    "c0 c1 c2 r1 c3 c4 r2 c5 c6 r3 c7",
  );
});

Deno.test("Turns forgets who no longer waits", async () => {
  const turns = new Turns(() => 0, () => Promise.resolve()),
    leaving = new AbortController(),
    gone = AbortSignal.abort("gone");
  await turns.take("work");
  const first = turns.take("reader", leaving.signal).catch((reason) => reason), second = turns.take("reader");
  leaving.abort("left");
  turns.give();
  await second;
  assertEquals(await first, "left");
  assertEquals(await turns.take("commit", gone).catch((reason) => reason), "gone");
});

Deno.test("Turns listens before it serves a reader: the stream may have asked meanwhile", async () => {
  const turns: Turns = new Turns(() => 0, () => {
    if (had.length === 0) void turns.take("commit").then(() => had.push("commit")).then(() => turns.give());
    return Promise.resolve();
  });
  const had: string[] = [];
  await turns.take("reader");
  const reader = turns.take("reader").then(() => had.push("reader"));
  turns.give();
  await reader;
  assertEquals(had, ["commit", "reader"]);
});

/** Answers each Sync and Query with ReadyForQuery in the status that the last `begin` or `rollback` left. */
class FakeDatabase {
  readonly seen: string[] = [];
  /** A bound was set for the statement of this name. */
  readonly bounded: string[] = [];
  #status = "I";
  #until = Infinity;

  cancelAfter(time: number) {
    this.#until = time;
  }

  execProtocolRawStream(bytes: Uint8Array, { onRawData }: { onRawData: (data: Uint8Array) => void }) {
    if (bytes[0] === 0) onRawData(message("Z", text("I")));
    else {
      const sql = firstText(bytes);
      const type = messageType(bytes);
      if (!sql.startsWith("reset all")) this.seen.push(type + sql);
      if (this.#until < Infinity) this.bounded.push(type + sql);
      if (sql === "begin") this.#status = "T";
      if (sql === "rollback" || sql === "commit") this.#status = "I";
      if (type === "Q" || type === "S") onRawData(message("Z", text(this.#status)));
    }
    return Promise.resolve();
  }
}

async function serve(
  test: (port: number, database: FakeDatabase) => Promise<void>,
  holdMsMax = 10_000,
  readerWaitMsMax = 10_000,
) {
  const database = new FakeDatabase();
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => void failures.push(error);
  const limits = { holdMsMax, readerWaitMsMax, readerMsMax: 1_000 };
  const server = await EmbeddedServer.start({ database, password: "secret", ...limits, onFailure });
  try {
    await test(server.port, database);
  } finally {
    await server.stop();
  }
  assertEquals(failures, []);
}

async function connect(port: number, password = "secret", name?: string) {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port });
  const client = {
    socket,
    write: (bytes: Uint8Array) => socket.write(bytes),
    /** The next bytes from the server; an empty array when it has closed the connection. */
    async read(): Promise<Uint8Array> {
      const bytes = new Uint8Array(4096);
      return bytes.slice(0, await socket.read(bytes) ?? 0);
    },
    [Symbol.dispose]: () => socket.close(),
  };
  await client.write(startupPacket("postgres", "postgres", name));
  await client.read();
  await client.write(message("p", text(`${password}\0`)));
  return client;
}

Deno.test("EmbeddedServer refuses a wrong password", () =>
  serve(async (port, database) => {
    using client = await connect(port, "guess");
    assertEquals(await client.read(), fatal("28P01", "password authentication failed"));
    assertEquals(await client.read(), new Uint8Array());
    assertEquals(database.seen, []);
  }));

Deno.test("EmbeddedServer lets no other connection between a Parse and its Sync, nor into a transaction", () =>
  serve(async (port, database) => {
    using one = await connect(port);
    using two = await connect(port);
    await one.read();
    await two.read();
    await one.write(message("P", text("\0select 1\0\0\0")));
    await until("the database sees it all", () => database.seen.length === 1);
    await two.write(query("begin"));
    await one.write(SYNC);
    await one.read();
    await two.read();
    await one.write(query("select 2"));
    await two.write(query("commit"));
    await two.read();
    await one.read();
    assertEquals(database.seen, ["P", "S", "Qbegin", "Qcommit", "Qselect 2"]);
  }));

Deno.test("EmbeddedServer rolls back what a lost client had open, and forgets its statements", () =>
  serve(async (port, database) => {
    const one = await connect(port);
    await one.read();
    await one.write(message("P", text("s1\0select 1\0\0\0")));
    await one.write(query("begin"));
    await one.read();
    one.socket.close();
    using two = await connect(port);
    await two.read();
    await two.write(query("select 2"));
    await two.read();
    assertEquals(database.seen, ["Ps1", "Qbegin", "S", "Qrollback", "CSs1", "S", "Qselect 2"]);
  }));

Deno.test("EmbeddedServer closes a connection that holds the turn in silence", () =>
  serve(async (port, database) => {
    using one = await connect(port);
    await one.read();
    await one.write(query("begin"));
    await one.read();
    using two = await connect(port);
    await two.read();
    await two.write(query("select 2"));
    await two.read();
    assertEquals(await one.read(), new Uint8Array());
    assertEquals(database.seen, ["Qbegin", "S", "Qrollback", "S", "Qselect 2"]);
  }, 50));

Deno.test("EmbeddedServer reassembles a message that arrives in pieces", () =>
  serve(async (port, database) => {
    using one = await connect(port);
    await one.read();
    const sql = `select '${"x".repeat(300_000)}'`;
    const bytes = query(sql);
    for (let at = 0; at < bytes.length; at += 70_001) {
      const part = bytes.subarray(at, at + 70_001);
      for (let done = 0; done < part.length;) done += await one.write(part.subarray(done));
    }
    await one.write(query("select 2"));
    await until("the database sees it all", () => database.seen.length === 2);
    assertEquals(database.seen, [`Q${sql}`, "Qselect 2"]);
  }));
Deno.test("EmbeddedServer refuses a reader that has waited too long, once, and serves it again afterwards", () =>
  serve(
    async (port, database) => {
      using one = await connect(port);
      using two = await connect(port);
      await one.read();
      await two.read();
      await one.write(query("begin"));
      await one.read();
      await two.write(new Uint8Array([...message("P", text("\0select 2\0\0\0")), ...message("B"), ...SYNC]));
      let answer = "";
      while (!answer.endsWith("I")) answer += new TextDecoder().decode(await two.read());
      assertEquals(answer.match(/TM020/g)?.length, 1);
      await one.write(query("commit"));
      await one.read();
      await two.write(query("select 3"));
      await two.read();
      assertEquals(database.seen, ["Qbegin", "Qcommit", "Qselect 3"]);
    },
    10_000,
    30,
  ));

Deno.test("EmbeddedServer never runs the statement of a reader that left while it waited", () =>
  serve(async (port, database) => {
    using one = await connect(port);
    const two = await connect(port);
    using three = await connect(port);
    for (const client of [one, two, three]) await client.read();
    await one.write(query("begin"));
    await one.read();
    await two.write(query("select 2"));
    await three.write(query("select 3"));
    two.socket.close();
    // Its end is read by the server before what is sent now.
    using four = await connect(port);
    await four.read();
    await one.write(query("commit"));
    await three.read();
    assertEquals(database.seen, ["Qbegin", "Qcommit", "Qselect 3"]);
  }));

Deno.test("EmbeddedServer serves commits before readers, and bounds readers' statements only beside an engine", () =>
  serve(async (port, database) => {
    using holder = await connect(port, "secret", "tidemark work");
    using reader = await connect(port, "secret", "tidemark api");
    for (const client of [holder, reader]) await client.read();
    await reader.write(query("select 1"));
    await reader.read();
    using commit = await connect(port, "secret", "tidemark commit");
    await commit.read();
    await reader.write(query("select 2"));
    await reader.read();
    await holder.write(query("begin"));
    await holder.read();
    await reader.write(query("select 3"));
    await commit.write(query("select 4"));
    // Both wait: what a third connection asks for now is answered by the server after it has read them.
    using other = await connect(port);
    await other.read();
    await holder.write(query("commit"));
    await reader.read();
    assertEquals(database.seen, ["Qselect 1", "Qselect 2", "Qbegin", "Qcommit", "Qselect 4", "Qselect 3"]);
    assertEquals(database.bounded, ["Qselect 2", "Qselect 3"]);
  }));
