// A thread of `deno task simulate`: plays the portions of seeds that it is sent. Shell: messages in, messages out.
import { noTotals, playSeed, report, type Totals } from "./seeds.ts";

/** Seeds to play. */
export interface Portion {
  readonly from: number;
  readonly count: number;
}

/** What came of them. */
export interface Played {
  readonly totals: Totals;
  /** One text for each failing seed. */
  readonly reports: readonly string[];
}

async function play({ from, count }: Portion): Promise<Played> {
  const totals = noTotals();
  const reports: string[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const violations = await playSeed(seed, totals);
    if (violations.length > 0) reports.push(await report(seed, violations));
  }
  return { totals, reports };
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Portion>) => void;
  postMessage(played: Played): void;
};
scope.onmessage = async ({ data }) => scope.postMessage(await play(data));
