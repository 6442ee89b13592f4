// Fetches the salts by which visitors are hashed: counting stops at the first record of a day whose salt is not known. I/O only through the ports.
import { sipKey } from "../breakdown/siphash.ts";
import { NamedError, Unavailable } from "../shared/errors.ts";
import { DAY } from "../shared/units.ts";
import { utcDay } from "../window/tumbling.ts";
import { RETRY_MS, type Steady } from "./parts.ts";
import type { EngineState } from "./state.ts";

/** The salts of one engine. */
export class Salts {
  #notBefore: Steady = -Infinity;
  /** Salts learned so far. */
  #learned = 0;

  constructor(private readonly state: EngineState) {}

  /**
   * Learns the salt of a UTC day (days since 1970). Returns whether counting may go on; if not, call it again. A closed day has no salt: then
   * another instance has moved the positions, and what was counted is given up.
   *
   * @throws NamedError with a usage exit code, which is final
   */
  async fetch(day: number): Promise<boolean> {
    const state = this.state, { store, clock, log } = state.parts;
    if (clock.steady() < this.#notBefore) return false;
    try {
      const found = await store.salts([utcDay(day * DAY)]);
      state.storeReached();
      state.databaseIsBack();
      const salt = found[0];
      if (salt === undefined) {
        // Rows that are read while a commit is in flight may be those before it.
        if (state.sending === null) {
          log.warn("the day of a record is closed already: reading the positions again", { day: utcDay(day * DAY) });
          state.giveUp([]);
        }
        return false;
      }
      state.visitors?.learn(day, { id: salt.id, key: sipKey(salt.salt), number: ++this.#learned });
      return true;
    } catch (error) {
      if (error instanceof NamedError && !(error instanceof Unavailable)) throw error;
      state.storeFailed(error);
      this.#notBefore = clock.steady() + RETRY_MS;
      return false;
    }
  }
}
