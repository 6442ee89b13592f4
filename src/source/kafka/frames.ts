// Reads each response of a plain connection directly into one buffer. Otherwise Node's stream makes a buffer per read, and kafkajs joins
// them by copying. Shell: one TCP connection; the framing itself does no I/O.
import { Buffer } from "node:buffer";
import net from "node:net";
import type { ISocketFactory } from "kafkajs";
import { connectionPrototype, defaultSocketFactory } from "./internals.ts";
import { type FramePool, framePool } from "./frame_pool.ts";

/** As in kafkajs. */
const KEEP_ALIVE_MS = 60_000;
const PREFIX_BYTES = 4;
/** Size of the buffer for bytes that are read before a response's length is known. */
const SCRATCH_BYTES = 16 * 1024;
/** A longer length comes from a server of another protocol, not from a broker: then kafkajs gets the bytes as they arrive. */
const FRAME_BYTES_MAX = 256 * 1024 * 1024;

/** Cuts a stream of bytes into frames: a length, then that many bytes. The caller reads into `space` and reports the count to `filled`. */
export class Frames {
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  /** Bytes at the start of the scratch that are not a whole length yet. */
  #kept = 0;
  #frame: Buffer | null = null;
  #have = 0;
  #raw = false;

  /** @param emit gets each frame, length included, and owns its memory */
  constructor(private readonly emit: (frame: Buffer) => void, private readonly pool: FramePool = framePool) {}

  /** Memory for the next bytes; it ends with the current frame. */
  space(): Buffer {
    return this.#frame === null ? this.#scratch.subarray(this.#kept) : this.#frame.subarray(this.#have);
  }

  /** `count` bytes were read into the last `space`. */
  filled(count: number): void {
    const frame = this.#frame;
    if (frame === null) return this.#split(this.#kept + count);
    this.#have += count;
    if (this.#have < frame.length) return;
    this.#frame = null;
    this.emit(frame);
  }

  /** Takes the frames out of the scratch, which holds `end` bytes. */
  #split(end: number): void {
    const scratch = this.#scratch;
    let at = 0;
    while (!this.#raw && end - at >= PREFIX_BYTES) {
      const size = PREFIX_BYTES + scratch.readInt32BE(at);
      if (size < PREFIX_BYTES || size > FRAME_BYTES_MAX) {
        this.#raw = true;
        break;
      }
      const frame = this.pool.take(size), there = Math.min(size, end - at);
      scratch.copy(frame, 0, at, at + there);
      at += there;
      if (there < size) {
        [this.#frame, this.#have, this.#kept] = [frame, there, 0];
        return;
      }
      this.emit(frame);
    }
    if (this.#raw) {
      this.#kept = 0;
      if (end > at) this.emit(Buffer.from(scratch.subarray(at, end)));
      return;
    }
    scratch.copy(scratch, 0, at, end);
    this.#kept = end - at;
  }
}

/** Sockets for kafkajs: without TLS they read whole frames, with TLS they are kafkajs' own. */
export function framedSocketFactory(): ISocketFactory {
  keepNoRemainder();
  const withTls = defaultSocketFactory();
  return (options) => {
    if (options.ssl) return withTls(options);
    const { host, port, onConnect } = options;
    const frames = new Frames((frame) => socket.emit("data", frame));
    const socket = net.connect({
      host,
      port,
      onread: {
        buffer: () => frames.space(),
        callback: (count) => {
          frames.filled(count);
          return true;
        },
      },
    }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    return socket;
  };
}

let patched = false;

/** kafkajs keeps an empty rest after each response. It would copy the next response to join it with that, and it holds the last one's memory. */
function keepNoRemainder(): void {
  if (patched) return;
  patched = true;
  const original = connectionPrototype.processData;
  connectionPrototype.processData = function (data) {
    if (this.bytesBuffered === 0) this.chunks = [];
    original.call(this, data);
    if (this.bytesBuffered === 0) this.chunks = [];
  };
}
