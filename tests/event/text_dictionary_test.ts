import { assert, assertEquals, assertThrows } from "@std/assert";
import { TextDictionary } from "../../src/event/text_dictionary.ts";

const create = () => new TextDictionary(5, (sent) => sent === "" ? undefined : sent.toLowerCase());

function idOf(dictionary: TextDictionary, token: string | Uint8Array): number {
  const content = typeof token === "string" ? new TextEncoder().encode(token) : token;
  const bytes = Uint8Array.from([0x22, ...content, 0x22]);
  return dictionary.idOfToken(bytes, new DataView(bytes.buffer), 1, bytes.length - 1);
}

Deno.test("idOfToken() gives every spelling of a text one id", () => {
  const dictionary = create();
  for (let sight = 0; sight < 2; sight++) {
    assertEquals(["a/b", "A/B", "\\u0061\\/b", "x"].map((token) => idOf(dictionary, token)), [0, 0, 0, 1]);
  }
  assertEquals([dictionary.idOfText("x"), dictionary.idOfText("y"), idOf(dictionary, "Y")], [1, 2, 2]);
  assertEquals([0, 1, 2].map((id) => dictionary.text(id)), ["a/b", "x", "y"]);
  assertEquals(dictionary.size, 3);
});

Deno.test("idOfToken() keeps a byte order mark within a text", () => {
  const dictionary = create();
  assertEquals(dictionary.text(idOf(dictionary, "\ufeffa")), "\ufeffa");
});

Deno.test("idOfToken() gives -1, each time, for what is not JSON string or says nothing", () => {
  const dictionary = create();
  for (const token of ["", "a\\q", "\t", "\\", Uint8Array.of(0xff), "", "a\\q"]) {
    assertEquals(idOf(dictionary, token), -1);
  }
  assertEquals(dictionary.size, 0);
});

Deno.test("TextDictionary keeps ids and texts over many entries and forgets them on reset", () => {
  const dictionary = create();
  const before = dictionary.memoryBytes;
  for (let n = 0; n < 3000; n++) assertEquals(idOf(dictionary, `key ${n}`), n);
  for (let n = 0; n < 3000; n++) assertEquals([idOf(dictionary, `key ${n}`), dictionary.text(n)], [n, `key ${n}`]);
  assert(dictionary.memoryBytes > before + 3000 * 20);
  dictionary.reset();
  assertEquals([dictionary.size, dictionary.memoryBytes, idOf(dictionary, "key 2999")], [0, before, 0]);
  assertThrows(() => dictionary.text(1), RangeError, "Cannot name text 1");
});

Deno.test("idOfToken() applies the rule once for each distinct token", () => {
  let calls = 0;
  const dictionary = new TextDictionary(5, (sent) => (calls++, sent));
  for (let sight = 0; sight < 2; sight++) for (let n = 0; n < 3000; n++) idOf(dictionary, `key ${n}`);
  assertEquals(calls, 3000);
});
