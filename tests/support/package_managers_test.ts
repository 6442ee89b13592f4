import { assert, assertEquals } from "@std/assert";
import { commandLine, installLine, PACKAGE_MANAGERS } from "./package_managers.ts";

Deno.test("installLine() is one line that a person can type", () => {
  const [apt, , , brew] = PACKAGE_MANAGERS;
  assertEquals(installLine(apt, ["maven", "chromium"]), "sudo apt-get install maven chromium");
  assertEquals(installLine(brew, ["postgres"]), "brew install postgresql@17");
  assertEquals(installLine(undefined, ["ps"]), "sudo apt-get install procps");
});

Deno.test("commandLine() goes through sudo only where it must, and never asks", () => {
  for (const manager of PACKAGE_MANAGERS) {
    assertEquals(commandLine(manager, "direct", manager.install)[0], manager.command);
    assertEquals(commandLine(manager, "sudo", manager.install).slice(0, 3), ["sudo", "-n", manager.command]);
    assert(Object.values(manager.packages).every((name) => /^[a-z][\w@.-]+$/.test(name)));
  }
});
