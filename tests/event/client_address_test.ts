import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { clientAddress, clientAddressEnd, clientAddressStart } from "../../src/event/client_address.ts";

const CASES: readonly (readonly [ip: string | undefined, hops: number, expected: string])[] = [
  [undefined, 0, ""],
  ["", 3, ""],
  ["203.0.113.7", 0, "203.0.113.7"],
  ["203.0.113.7", 5, "203.0.113.7"],
  [" 203.0.113.7\t", 0, "203.0.113.7"],
  ["203.0.113.7, 10.0.0.1, 10.0.0.2", 0, "10.0.0.2"],
  ["203.0.113.7, 10.0.0.1, 10.0.0.2", 1, "10.0.0.1"],
  ["203.0.113.7, 10.0.0.1, 10.0.0.2", 2, "203.0.113.7"],
  ["203.0.113.7, 10.0.0.1, 10.0.0.2", 3, "203.0.113.7"],
  ["203.0.113.7,10.0.0.1", 1, "203.0.113.7"],
  [",, 203.0.113.7 ,, 10.0.0.1 ,", 0, "10.0.0.1"],
  [",, 203.0.113.7 ,, 10.0.0.1 ,", 1, "203.0.113.7"],
  [" , ,", 1, ""],
];

function overBytes(ip: string, hops: number): string {
  const bytes = new TextEncoder().encode(`8${ip}8`);
  const end = clientAddressEnd(bytes, 1, bytes.length - 1, hops);
  return new TextDecoder().decode(bytes.subarray(clientAddressStart(bytes, 1, end), end));
}

Deno.test("clientAddress() picks the entry before the trusted hops", () => {
  for (const [ip, hops, expected] of CASES) assertEquals(clientAddress(ip, hops), expected, `${ip} ${hops}`);
});

Deno.test("clientAddressEnd() and clientAddressStart() give the range of clientAddress()", () => {
  for (const [ip, hops, expected] of CASES) assertEquals(overBytes(ip ?? "", hops), expected, `${ip} ${hops}`);
  fc.assert(
    fc.property(fc.stringMatching(/^[, \t1a]*$/), fc.nat(4), (ip, hops) => {
      assertEquals(overBytes(ip, hops), clientAddress(ip, hops));
    }),
    { numRuns: 2000 },
  );
});
