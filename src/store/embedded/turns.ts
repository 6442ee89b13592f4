// Whose turn it is to use the one session of the embedded database. Pure bookkeeping, no I/O.
import { invariant } from "../../shared/errors.ts";

/** A first-come-first-served turn, and which settings the session has at the moment. */
export class Turns {
  /** The statements that were last run to set the session up, compared as text. */
  settings = "";
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  /** Resolves when it is the caller's turn; it must call {@link Turns.give} once. */
  take(): Promise<void> {
    if (this.#taken) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#taken = true;
    return Promise.resolve();
  }

  /** Passes the turn to whoever has waited longest. */
  give(): void {
    invariant(this.#taken, "a turn that nobody has taken cannot be given back");
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken = false;
  }
}
