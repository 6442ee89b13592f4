import { assertEquals } from "@std/assert";
import { hashToken, scopeOf, tokenOf } from "../../src/http/server/auth.ts";

const readTokenHash = await hashToken("reader");
const adminTokenHash = await hashToken("admin");

Deno.test("scopeOf() by what is set and what is sent", async () => {
  const tokens = [undefined, "reader", "admin", "wrong", ""];
  const cases = [
    [{ publicAccess: false }, ["admin", "admin", "admin", "admin", "admin"]],
    [{ publicAccess: true }, ["read", "read", "read", "read", "read"]],
    [{ publicAccess: false, readTokenHash }, ["none", "admin", undefined, undefined, undefined]],
    [{ publicAccess: false, readTokenHash, adminTokenHash }, ["none", "read", "admin", undefined, undefined]],
    [{ publicAccess: true, readTokenHash, adminTokenHash }, ["read", "read", "admin", undefined, undefined]],
    [{ publicAccess: false, adminTokenHash }, ["read", undefined, "admin", undefined, undefined]],
  ] as const;
  for (const [access, scopes] of cases) {
    for (const [i, token] of tokens.entries()) {
      assertEquals(await scopeOf(access, token), scopes[i], `${JSON.stringify(Object.keys(access))} ${token}`);
    }
  }
});

Deno.test("tokenOf() reads Bearer and the password of Basic, and makes a wrong token of anything else", () => {
  for (
    const [header, token] of [
      [undefined, undefined],
      ["Bearer abc", "abc"],
      ["bearer  abc ", "abc"],
      [`Basic ${btoa("user:pa:ss")}`, "pa:ss"],
      [`Basic ${btoa(":abc")}`, "abc"],
      [`Basic ${btoa("abc")}`, "abc"],
      ["Basic !!!", ""],
      ["Bearer", ""],
      ["Bearer a b", ""],
      ["Digest abc", ""],
      ["", ""],
    ] as const
  ) assertEquals(tokenOf(header), token, header);
});
