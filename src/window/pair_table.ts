// Hits by (host, value) of one dimension in one window since the last commit. Pure, hot: one call per record and dimension.
// KeyTable with a column less; the reasons for its form are in key_table.ts.
import { type Breakdowns, DIMENSION_BITS } from "../breakdown/dimensions.ts";
import { grown, mix } from "../shared/typed_tables.ts";

const LOAD_FACTOR_INVERSE = 2;
/** Small, as that of KeyTable. */
const FIRST_CAPACITY = 8;

/** Counts by two small integers. */
export class PairTable {
  size = 0;
  host = new Int32Array(FIRST_CAPACITY);
  value = new Int32Array(FIRST_CAPACITY);
  pairHits = new Int32Array(FIRST_CAPACITY);
  pairBotHits = new Int32Array(FIRST_CAPACITY);
  /** Slot → entry + 1; 0 = free. */
  #slots = new Int32Array(FIRST_CAPACITY * LOAD_FACTOR_INVERSE);
  #mask = FIRST_CAPACITY * LOAD_FACTOR_INVERSE - 1;

  /** Adds one hit; `bot` is 1 or 0. Returns whether the pair is new. */
  add(host: number, value: number, bot: number): boolean {
    const slots = this.#slots, mask = this.#mask;
    let slot = mix(host, value, 0) & mask;
    for (;;) {
      const entry = slots[slot]! - 1;
      if (entry < 0) break;
      if (this.host[entry] === host && this.value[entry] === value) {
        this.pairHits[entry]!++;
        this.pairBotHits[entry]! += bot;
        return false;
      }
      slot = (slot + 1) & mask;
    }
    const entry = this.size++;
    slots[slot] = entry + 1;
    this.host[entry] = host;
    this.value[entry] = value;
    this.pairHits[entry] = 1;
    this.pairBotHits[entry] = bot;
    if (this.size === this.host.length) this.#grow();
    return true;
  }

  #grow(): void {
    const capacity = this.host.length * 2;
    this.host = grown(this.host, capacity);
    this.value = grown(this.value, capacity);
    this.pairHits = grown(this.pairHits, capacity);
    this.pairBotHits = grown(this.pairBotHits, capacity);
    const slots = this.#slots = new Int32Array(capacity * LOAD_FACTOR_INVERSE);
    const mask = this.#mask = slots.length - 1;
    for (let entry = 0; entry < this.size; entry++) {
      let slot = mix(this.host[entry]!, this.value[entry]!, 0) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = entry + 1;
    }
  }
}

/** The tables of one window; `null` for a dimension that is not counted. Visitors and entry channels need none. */
export class PairTables {
  readonly counted: Breakdowns;
  readonly page: PairTable | null;
  readonly client: PairTable | null;
  readonly campaign: PairTable | null;

  constructor(counted: Breakdowns) {
    const table = (bit: number) => (counted & bit) === 0 ? null : new PairTable();
    this.counted = counted;
    this.page = table(DIMENSION_BITS.page);
    this.client = table(DIMENSION_BITS.client);
    this.campaign = table(DIMENSION_BITS.campaign);
  }
}
