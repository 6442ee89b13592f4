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
import { Turns } from "../../src/store/embedded/turns.ts";

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

Deno.test("settingsSql() quotes values and leaves out what is no setting", () => {
  const sql = settingsSql(new Map([["user", "u"], ["database", "d"], ["search_path", "o'b"], ["_pq_.x", "1"]]));
  assertEquals(sql, "reset all; select set_config('search_path', 'o''b', false)");
});

Deno.test("readsClientData() finds COPY FROM STDIN only", () => {
  assert(readsClientData(query("COPY t (a, b)\n FROM  stdin with csv")));
  assert(!readsClientData(query("copy (select 1) to stdout")));
  assert(!readsClientData(query("insert into copy select a from stdin_log")));
});

Deno.test("Turns gives the turn to whoever has waited longest", async () => {
  const turns = new Turns();
  const order: number[] = [];
  await turns.take();
  const waiting = [1, 2, 3].map((n) => turns.take().then(() => order.push(n)));
  turns.give();
  await waiting[0];
  assertEquals(order, [1]);
  turns.give();
  turns.give();
  await Promise.all(waiting);
  assertEquals(order, [1, 2, 3]);
});

/** Answers each Sync and Query with ReadyForQuery in the status that the last `begin` or `rollback` left. */
class FakeDatabase {
  readonly seen: string[] = [];
  #status = "I";

  execProtocolRawStream(bytes: Uint8Array, { onRawData }: { onRawData: (data: Uint8Array) => void }) {
    if (bytes[0] === 0) onRawData(message("Z", text("I")));
    else {
      const sql = firstText(bytes);
      const type = messageType(bytes);
      if (!sql.startsWith("reset all")) this.seen.push(type + sql);
      if (sql === "begin") this.#status = "T";
      if (sql === "rollback" || sql === "commit") this.#status = "I";
      if (type === "Q" || type === "S") onRawData(message("Z", text(this.#status)));
    }
    return Promise.resolve();
  }
}

async function serve(test: (port: number, database: FakeDatabase) => Promise<void>, holdMsMax = 10_000) {
  const database = new FakeDatabase();
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => void failures.push(error);
  const server = await EmbeddedServer.start({ database, password: "secret", holdMsMax, onFailure });
  try {
    await test(server.port, database);
  } finally {
    await server.stop();
  }
  assertEquals(failures, []);
}

async function connect(port: number, password = "secret") {
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
  await client.write(startupPacket("postgres", "postgres"));
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
    await until(() => database.seen.length === 1);
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
    await until(() => database.seen.length === 2);
    assertEquals(database.seen, [`Q${sql}`, "Qselect 2"]);
  }));

async function until(condition: () => boolean) {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert(condition());
}
