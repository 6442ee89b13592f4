// Reuses the memory of large responses. Without that, V8 collects its whole heap whenever much memory outside of it was dropped, which took
// a third of a live engine's time. A buffer that is never given back is collected like any other. No I/O.
import { Buffer } from "node:buffer";

/** Smaller frames are not reused. */
const KEPT_BYTES_MIN = 64 * 1024;
/** Sizes are rounded up to this, so that a buffer fits frames of about the same size. */
const STEP_BYTES = 256 * 1024;
/** Most bytes of unused buffers. */
const FREE_BYTES_MAX = 8 * 1024 * 1024;

/** Buffers of one thread. */
export class FramePool {
  #free: ArrayBuffer[] = [];
  /** Taken and not given back; weak, because many never are given back. */
  readonly #lent = new WeakSet<ArrayBuffer>();

  /** A buffer of `size` bytes with undefined content. */
  take(size: number): Buffer {
    if (size < KEPT_BYTES_MIN) return Buffer.allocUnsafeSlow(size);
    const at = this.#free.findIndex(({ byteLength }) => byteLength >= size);
    const bytes = at < 0 ? new ArrayBuffer(Math.ceil(size / STEP_BYTES) * STEP_BYTES) : this.#free.splice(at, 1)[0]!;
    this.#lent.add(bytes);
    return Buffer.from(bytes, 0, size);
  }

  /** Gives back the memory of a frame; no view of it may be used afterwards. Ignores memory that is not from the pool. */
  release(bytes: ArrayBufferLike): void {
    if (!this.#lent.delete(bytes as ArrayBuffer)) return;
    this.#free.push(bytes as ArrayBuffer);
    let kept = this.#free.reduce((sum, { byteLength }) => sum + byteLength, 0);
    // Drops the oldest: frames have another size now.
    while (kept > FREE_BYTES_MAX) kept -= this.#free.shift()!.byteLength;
  }
}

/** The pool of this thread. */
export const framePool = new FramePool();
