// What an engine knows of visitors: salts of days, and which updates it has put into a delta. No I/O; hot path.
import type { VisitorSalt } from "../breakdown/visitor.ts";
import { DAY } from "../shared/units.ts";
import { SentUpdates } from "./sent_updates.ts";

/** UTC day of a window, as days since 1970. Windows divide days. */
export const dayOfWindow = (windowStart: number): number => Math.floor(windowStart / DAY);

/** Salts come from the database, which drops each when its day is closed. */
export class Visitors {
  readonly #salts = new Map<number, VisitorSalt>();
  readonly #sent = new SentUpdates();
  #recentWindow = NaN;
  #recentSalt: VisitorSalt | undefined;

  /** The salt of a window's day; `undefined` if it has to be fetched. Consecutive records mostly share a window. */
  saltOf(windowStart: number): VisitorSalt | undefined {
    if (windowStart === this.#recentWindow) return this.#recentSalt;
    const salt = this.#salts.get(dayOfWindow(windowStart));
    if (salt === undefined) return undefined;
    this.#recentWindow = windowStart;
    this.#recentSalt = salt;
    return salt;
  }

  /** Takes the salt of a day (days since 1970). */
  learn(day: number, salt: VisitorSalt): void {
    this.#salts.set(day, salt);
  }

  /** Notes an update; returns whether it has to be sent. */
  add(windowStart: number, host: number, update: number): boolean {
    return this.#sent.add(dayOfWindow(windowStart), host, update);
  }

  /** Forgets which updates were sent: ids of hosts mean other hosts from now on. */
  forgetHosts(): void {
    this.#sent.clear();
  }

  /** Forgets everything: what was counted is dropped, so what was sent may not be stored; a salt may have been replaced. */
  forget(): void {
    this.#sent.clear();
    this.#salts.clear();
    this.#recentWindow = NaN;
    this.#recentSalt = undefined;
  }
}
