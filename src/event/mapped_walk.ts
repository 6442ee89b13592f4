// Finds an event's fields in the bytes of a JSON object by the paths of EVENT_FIELDS, without building values. No I/O.
// Why it exists: mapped_fields.ts, its slow and obvious twin, takes ten times as long (bench/event_bench.ts). The slow path decides where
// this walk gives up: an escaped key, a repeated key, deeper nesting than json_scan.ts walks.
import {
  EVENT_FIELD_NAMES,
  type EventFieldName,
  type FieldPath,
  type FieldPaths,
} from "../shared/config/event_fields.ts";
import { plainEnd, QUOTE, skipSpace, stringEnd, valueEnd } from "./json_scan.ts";

const OBJECT = 0x7b, OBJECT_END = 0x7d, ARRAY = 0x5b, ARRAY_END = 0x5d, COMMA = 0x2c, COLON = 0x3a;
const ESCAPED_GIVE_UP: ReadonlySet<EventFieldName> = new Set(["event_time", "ip", "method", "status"]);
/** Fields that may be numbers. Any other field that is not text counts as missing. */
const NUMBERS: ReadonlySet<EventFieldName> = new Set(["event_time", "status"]);

/** A key or array position on a path: the end of one path, or a step of several. */
interface Step {
  /** Index into {@link EVENT_FIELD_NAMES}; -1 = not the end of a path. */
  field: number;
  readonly id: number;
  readonly names: Uint8Array[];
  readonly named: Step[];
  readonly positions: Map<number, Step>;
}

/** The walk of one mapping. */
export class MappedWalk {
  /** Bounds of each field's text between its quotes, or of its value where it may be a number, in the order of {@link EVENT_FIELD_NAMES}; empty if missing. */
  readonly starts = new Int32Array(EVENT_FIELD_NAMES.length);
  readonly ends = new Int32Array(EVENT_FIELD_NAMES.length);
  readonly #root: Step;
  #steps = 0;
  /** By step id: the record in which it was last found. */
  readonly #met: Int32Array;
  #record = 0;

  constructor(paths: FieldPaths) {
    this.#root = this.#step();
    for (const [name, path] of Object.entries(paths) as [EventFieldName, FieldPath][]) {
      let step = this.#root;
      for (const key of path) step = this.#next(step, key);
      step.field = EVENT_FIELD_NAMES.indexOf(name);
    }
    this.#met = new Int32Array(this.#steps);
  }

  /** Finds the fields of the object `b[start, end)`; false if the slow path has to decide. */
  walk(b: Uint8Array, view: DataView, start: number, end: number): boolean {
    this.starts.fill(0);
    this.ends.fill(0);
    this.#record = (this.#record + 1) | 0;
    if (this.#record === 0) this.#met.fill(0), this.#record = 1;
    const p = skipSpace(b, start, end);
    if (p >= end || b[p] !== OBJECT) return false;
    const after = this.#object(b, view, p, end, this.#root);
    return after >= 0 && skipSpace(b, after, end) === end;
  }

  #step(): Step {
    return { field: -1, id: this.#steps++, names: [], named: [], positions: new Map() };
  }

  #next(step: Step, key: string | number): Step {
    if (typeof key === "number") {
      let next = step.positions.get(key);
      if (!next) step.positions.set(key, next = this.#step());
      return next;
    }
    const name = new TextEncoder().encode(key);
    let at = step.names.findIndex((known) => known.length === name.length && known.every((c, i) => c === name[i]));
    if (at < 0) {
      at = step.names.push(name) - 1;
      step.named.push(this.#step());
    }
    return step.named[at]!;
  }

  /** Position after the object that begins at `p`, or -1. */
  #object(b: Uint8Array, view: DataView, p: number, end: number, step: Step): number {
    p = skipSpace(b, p + 1, end);
    if (p < end && b[p] === OBJECT_END) return p + 1;
    for (;;) {
      if (p >= end || b[p] !== QUOTE) return -1;
      const key = p + 1, keyEnd = plainEnd(b, view, key, end);
      // An escaped key may spell a name.
      if (keyEnd >= end || b[keyEnd] !== QUOTE) return -1;
      p = skipSpace(b, keyEnd + 1, end);
      if (p >= end || b[p] !== COLON) return -1;
      p = skipSpace(b, p + 1, end);
      if (p >= end) return -1;
      const next = named(step, b, key, keyEnd);
      if (next === undefined) p = valueEnd(b, view, p, end);
      else {
        // Of a repeated key the last one counts.
        if (this.#met[next.id] === this.#record) return -1;
        this.#met[next.id] = this.#record;
        p = this.#value(b, view, p, end, next);
      }
      if (p < 0) return -1;
      p = skipSpace(b, p, end);
      if (p >= end) return -1;
      if (b[p] === OBJECT_END) return p + 1;
      if (b[p] !== COMMA) return -1;
      p = skipSpace(b, p + 1, end);
    }
  }

  #array(b: Uint8Array, view: DataView, p: number, end: number, step: Step): number {
    p = skipSpace(b, p + 1, end);
    if (p < end && b[p] === ARRAY_END) return p + 1;
    for (let position = 0;; position++) {
      if (p >= end) return -1;
      const next = step.positions.get(position);
      p = next === undefined ? valueEnd(b, view, p, end) : this.#value(b, view, p, end, next);
      if (p < 0) return -1;
      p = skipSpace(b, p, end);
      if (p >= end) return -1;
      if (b[p] === ARRAY_END) return p + 1;
      if (b[p] !== COMMA) return -1;
      p = skipSpace(b, p + 1, end);
    }
  }

  #value(b: Uint8Array, view: DataView, p: number, end: number, step: Step): number {
    const { field } = step;
    if (field < 0) {
      if (b[p] === OBJECT && step.named.length > 0) return this.#object(b, view, p, end, step);
      if (b[p] === ARRAY && step.positions.size > 0) return this.#array(b, view, p, end, step);
      return valueEnd(b, view, p, end);
    }
    const name = EVENT_FIELD_NAMES[field]!;
    if (b[p] !== QUOTE) {
      const after = valueEnd(b, view, p, end);
      if (NUMBERS.has(name) && after >= 0) this.starts[field] = p, this.ends[field] = after;
      return after;
    }
    const from = p + 1;
    let to = plainEnd(b, view, from, end);
    if (to >= end) return -1;
    if (b[to] !== QUOTE) {
      if (ESCAPED_GIVE_UP.has(name)) return -1;
      to = stringEnd(b, view, to, end);
      if (to < 0) return -1;
    }
    this.starts[field] = from;
    this.ends[field] = to;
    return to + 1;
  }
}

function named(step: Step, b: Uint8Array, start: number, end: number): Step | undefined {
  const { names } = step, length = end - start;
  for (let n = 0; n < names.length; n++) {
    const name = names[n]!;
    if (name.length !== length) continue;
    let i = 0;
    while (i < length && name[i] === b[start + i]) i++;
    if (i === length) return step.named[n];
  }
  return undefined;
}
