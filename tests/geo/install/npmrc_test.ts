// npm's settings: which registry, and who gets the token.
import { assertEquals, assertThrows } from "@std/assert";
import { defaultUrl } from "registry-url";
import { authorizationFor, parseNpmrc, registryFor } from "../../../src/geo/install/npmrc.ts";

const env = (name: string) => name === "TOKEN" ? "secret" : undefined;

Deno.test("parseNpmrc() reads names, quotes, comments and environment variables", () => {
  const config = parseNpmrc(
    '# comment\n; another\nregistry = https://a.example/npm\r\n\n@x:registry="https://b.example/"\n//b.example/:_authToken=${TOKEN}\nunset=${NONE}\n=x\nflag\n',
    env,
  );
  assertEquals([...config], [
    ["registry", "https://a.example/npm"],
    ["@x:registry", "https://b.example/"],
    ["//b.example/:_authToken", "secret"],
    ["unset", "${NONE}"],
  ]);
});

Deno.test("registryFor() prefers the scope's registry, then the default one, then the public one", () => {
  const config = new Map([["registry", "https://a.example/npm"], ["@x:registry", "https://b.example/"]]);
  assertEquals(registryFor(config, "@x").href, "https://b.example/");
  assertEquals(registryFor(config, "@y").href, "https://a.example/npm/");
  assertEquals(registryFor(new Map(), "@y").href, defaultUrl);
  assertThrows(() => registryFor(new Map([["registry", "nonsense"]]), "@y"), TypeError);
});

Deno.test("authorizationFor() sends a token to its own address and below, nowhere else", () => {
  const config = new Map([["//a.example/npm/:_authToken", "t"], ["//b.example:8443/:_auth", "dTpw"]]);
  const table: [string, string | null][] = [
    ["https://a.example/npm/", "Bearer t"],
    ["https://a.example/npm/@x%2fy", "Bearer t"],
    ["https://a.example/npm/@x/y/-/y-1.tgz", "Bearer t"],
    ["https://a.example/npmx/y", null],
    ["https://a.example/", null],
    ["https://a.example.evil.example/npm/", null],
    ["https://a.example:444/npm/", null],
    ["https://b.example:8443/deep/er/", "Basic dTpw"],
  ];
  for (const [url, expected] of table) assertEquals(authorizationFor(config, new URL(url)), expected, url);
});
