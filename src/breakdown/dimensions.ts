// What is counted beside the rows: dimensions of breakdowns, and visitors. Pure.

/** Bits of a mask. Position of the bit, from 1: number of the dimension in the database. Visitors have no values: no pair belongs to them. */
export const DIMENSION_BITS = { page: 1, client: 2, campaign: 4, channel: 8, visitors: 16 } as const;

/** Separates the parts of a stored value: of a client, a campaign or a place. */
export const PART_END = "\x1e";

/** How many times the values that a closed window keeps of a host (BREAKDOWN_VALUES_MAX) chunks and open windows keep. */
export const OPEN_VALUES_FACTOR = 10;

/** Sum of {@link DIMENSION_BITS} that are counted; 0 = nothing but the rows. */
export type Breakdowns = number;

/** Bits by words of the setting BREAKDOWNS. The entry channel needs nothing but the rows' referrers; it belongs to campaigns. */
const BITS_OF = {
  pages: DIMENSION_BITS.page,
  clients: DIMENSION_BITS.client,
  campaigns: DIMENSION_BITS.campaign | DIMENSION_BITS.channel,
  visitors: DIMENSION_BITS.visitors,
} as const;

/** What these words of the setting ask for. */
export function breakdownsOf(words: readonly (keyof typeof BITS_OF)[]): Breakdowns {
  return words.reduce((bits, word) => bits | BITS_OF[word], 0);
}
