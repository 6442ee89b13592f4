// Seeds that once failed, with what they had found: played first in every run. A seed names one history only as long as plan.ts draws the
// same, so each finding also has a scene of its own in boundaries_test.ts.

export interface Case {
  readonly seed: number;
  readonly found: string;
}

export const CASES: readonly Case[] = [
  {
    seed: 2,
    found: "position_beyond_end without cause: an owner committed between our look at the log and at the rows",
  },
  { seed: 31, found: "run --once gave up where its last closing met one failed statement" },
  { seed: 11665, found: "a partition without a row yet was left out for good" },
  {
    seed: 10402582,
    found: "silence that rested on a commit of unknown outcome was committed by an instance that stopped",
  },
  { seed: 10424396, found: "data_gap without cause: seen from where the instance stood before it was fenced" },
  { seed: 50087302, found: "a truncated log recorded as data_gap, as an instance had seen it from an older position" },
  { seed: 10407952, found: "data_gap without cause: found before positions were read again, told after" },
];
