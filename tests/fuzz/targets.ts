// All fuzz targets. A new grammar is a file and a line here.
import { eventTarget } from "./event_target.ts";
import type { Target } from "./target.ts";

export const TARGETS: readonly Target[] = [
  eventTarget,
];

/** The target of a name. @throws Error that lists the names */
export function targetOf(name: string): Target {
  const target = TARGETS.find((known) => known.name === name);
  if (target === undefined) {
    throw new Error(`There is no fuzz target ${name}; there are ${TARGETS.map((known) => known.name).join(", ")}.`);
  }
  return target;
}
