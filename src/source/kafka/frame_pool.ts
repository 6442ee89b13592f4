// Memory for large responses, used again once what was in it is counted: V8 collects all of its heap when much memory outside it was
// thrown away, which took a third of a live engine's time. Never giving a buffer back is allowed: it is collected like any other. No I/O.
import { Buffer } from "node:buffer";

/** Smaller frames are not worth keeping. */
const KEPT_BYTES_MIN = 64 * 1024;
/** Buffers come in steps of this size, so that one fits frames of about the same size. */
const STEP_BYTES = 256 * 1024;
/** Most bytes that wait for their next use. */
const FREE_BYTES_MAX = 8 * 1024 * 1024;

/** Buffers of one thread. */
export class FramePool {
  #free: ArrayBuffer[] = [];
  /** Lent and not given back; weak, since many never are. */
  readonly #lent = new WeakSet<ArrayBuffer>();

  /** A buffer of exactly `size` bytes with any content. */
  take(size: number): Buffer {
    if (size < KEPT_BYTES_MIN) return Buffer.allocUnsafeSlow(size);
    const at = this.#free.findIndex(({ byteLength }) => byteLength >= size);
    const bytes = at < 0 ? new ArrayBuffer(Math.ceil(size / STEP_BYTES) * STEP_BYTES) : this.#free.splice(at, 1)[0]!;
    this.#lent.add(bytes);
    return Buffer.from(bytes, 0, size);
  }

  /** Gives the memory under a frame back: no view of it may be looked at afterwards. Anything else is left alone. */
  release(bytes: ArrayBufferLike): void {
    if (!this.#lent.delete(bytes as ArrayBuffer)) return;
    this.#free.push(bytes as ArrayBuffer);
    let kept = this.#free.reduce((sum, { byteLength }) => sum + byteLength, 0);
    // The oldest go first: frames have another size now.
    while (kept > FREE_BYTES_MAX) kept -= this.#free.shift()!.byteLength;
  }
}

/** The pool of this thread. */
export const framePool = new FramePool();
