import { assertEquals } from "@std/assert";
import { parseSettingsFile } from "../../../src/shared/config/file.ts";

const values = (content: string) =>
  Object.fromEntries(parseSettingsFile(content).lines.map(({ name, value }) => [name, value]));

Deno.test("parseSettingsFile() reads bare, quoted and many-line values", () => {
  const content = [
    "\uFEFF# comment",
    "",
    "A=1",
    "  B = two words  # comment",
    "C=a#b",
    "D=",
    "E= # only a comment",
    "export F='single $x \\n # kept'",
    'G="double \\"quoted\\" \\n line \\$x \\q" # comment',
    'H="-----BEGIN',
    "middle",
    'END-----"',
    "I=a=b=c\r",
    "J=last",
  ].join("\n");
  const read = parseSettingsFile(content);
  assertEquals(read.problems, []);
  assertEquals(values(content), {
    A: "1",
    B: "two words",
    C: "a#b",
    D: "",
    E: "",
    F: "single $x \\n # kept",
    G: 'double "quoted" \n line $x \\q',
    H: "-----BEGIN\nmiddle\nEND-----",
    I: "a=b=c",
    J: "last",
  });
  assertEquals(read.lines.at(-1), { name: "J", value: "last", line: 14 });
});

Deno.test("parseSettingsFile() names the line of what it cannot read, never its content", () => {
  assertEquals(parseSettingsFile("A=1\ncanary\n1B=canary\nC='canary' canary\nD=4\nE=\"canary"), {
    lines: [{ name: "A", value: "1", line: 1 }, { name: "D", value: "4", line: 5 }],
    problems: [
      "line 2 is not NAME=value",
      "line 3 is not NAME=value",
      "line 4: text after the closing quote",
      "line 6: a quote is never closed",
    ],
  });
});
