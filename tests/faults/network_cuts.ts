// Which ways of a network of hosts are cut, in which order. Pure.
import { randomStream } from "./generator.ts";

export const BROKERS = ["broker1", "broker2", "broker3"] as const;
export const SERVICES = ["service1", "service2"] as const;
export const DATABASES = ["db1", "db2"] as const;

/** A link that is down, the ways between two hosts that are blocked, or the standby's promotion. */
export type Cut =
  | { readonly kind: string; readonly link: string }
  | { readonly kind: string; readonly ways: readonly (readonly [from: string, to: string])[] }
  | { readonly kind: string; readonly failover: true };

const role = (host: string) => host.startsWith("db") ? "database" : host.replace(/\d/, "");

/** Every pair that has something to say to each other: cut both ways, and each way alone. `primary` = the host with the database. */
function pairCuts(primary: string): Cut[] {
  const pairs = [
    ...BROKERS.flatMap((a, i) => BROKERS.slice(i + 1).map((b) => [a, b] as const)),
    ...SERVICES.flatMap((service) => [...BROKERS, primary].map((other) => [service, other] as const)),
    ...(primary === DATABASES[0] ? [DATABASES] : []),
  ];
  const named = (a: string, b: string) =>
    role(a) === role(b) && role(a) === "database" ? ["primary", "standby"] : [role(a), role(b)];
  return pairs.flatMap(([a, b]): Cut[] => {
    const [first, second] = named(a, b);
    return [
      { kind: `${first} and ${second}, both ways`, ways: [[a, b], [b, a]] },
      { kind: `${first} to ${second}`, ways: [[a, b]] },
      { kind: `${second} to ${first}`, ways: [[b, a]] },
    ];
  });
}

/**
 * At most `most` cuts: of each kind one before any kind has a second, and the failover in the middle. After it the cuts between services and
 * database concern the new primary.
 */
export function planCuts(seed: number, most: number): Cut[] {
  const random = randomStream(seed);
  const links = [...SERVICES, ...BROKERS].map((link): Cut => ({ kind: `link of a ${role(link)}`, link }));
  const before = inTurn([...pairCuts(DATABASES[0]), ...links], random).slice(0, Math.max(0, most - 1));
  const half = Math.ceil(before.length / 2), failover = { kind: "failover to the standby", failover: true } as const;
  // What was planned for the first primary or its standby is done to the second one.
  const after = before.slice(half).flatMap((cut): Cut[] => {
    if (!("ways" in cut)) return [cut];
    if (cut.kind.includes("standby")) return [];
    const renamed = (host: string) => host === DATABASES[0] ? DATABASES[1] : host;
    return [{ ...cut, ways: cut.ways.map(([from, to]) => [renamed(from), renamed(to)] as const) }];
  });
  const standby = before.slice(half).filter((cut) => "ways" in cut && cut.kind.includes("standby"));
  return [...before.slice(0, half), ...standby, failover, ...after];
}

/** Shuffled, with each kind's first before any kind's second. */
function inTurn(cuts: readonly Cut[], random: () => number): Cut[] {
  const shuffled = cuts.map((cut) => ({ cut, at: random() })).sort((a, b) => a.at - b.at).map(({ cut }) => cut);
  const seen = new Map<string, number>();
  const numbered = shuffled.map((cut) => {
    const round = seen.get(cut.kind) ?? 0;
    seen.set(cut.kind, round + 1);
    return { cut, round };
  });
  return numbered.sort((a, b) => a.round - b.round).map(({ cut }) => cut);
}
