// The program can be published as a module of a registry: names, exports, types and imports pass the registry's own rules. `deno task check`
// checks the types. Runs `deno publish`.
import { assert } from "@std/assert";
import { REPOSITORY } from "../support/process.ts";

Deno.test("deno publish accepts the package in a dry run", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty", "--no-check"],
    cwd: REPOSITORY,
    stdin: "null",
    stdout: "null",
    env: { NO_COLOR: "1" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
});
