// Updates of one day's sketches since the last commit. Pure, hot: one call for each visitor that is not known to be sent.
import { grown } from "../shared/typed_tables.ts";

const FIRST_CAPACITY = 64;

/** (host, update) in order of appearance. */
export class UpdateList {
  /** As that of KeyTable. */
  number = 0;
  size = 0;
  host = new Int32Array(FIRST_CAPACITY);
  update = new Int32Array(FIRST_CAPACITY);

  /** @param saltId id of the salt by which these visitors are hashed */
  constructor(readonly saltId: string) {}

  add(host: number, update: number): void {
    if (this.size === this.host.length) {
      this.host = grown(this.host, 2 * this.size);
      this.update = grown(this.update, 2 * this.size);
    }
    this.host[this.size] = host;
    this.update[this.size++] = update;
  }
}
