// Limits the rate of requests by token buckets in bounded memory. Pure: the time is an argument.
// Not a library: the existing ones count in fixed windows, which allow twice the rate, and do not know IPv6 /64.

interface BucketOptions {
  readonly perSecond: number;
  readonly burst: number;
  /** Most clients. The one whose last request is oldest is forgotten first; its next bucket is full. */
  readonly clientsMax: number;
}

interface Bucket {
  /** Thousandths of a token: whole numbers, so that ms times rate adds up exactly. */
  milli: number;
  at: number;
}

/** Token buckets by client key. */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>();
  constructor(readonly options: BucketOptions) {}

  /** Takes one token; returns 0 if there was one, else the ms until the next. If the clock jumps back, no time has passed. */
  take(client: string, now: number): number {
    const { perSecond, burst, clientsMax } = this.options;
    const bucket = this.#buckets.get(client) ?? { milli: burst * 1000, at: now };
    bucket.milli = Math.min(burst * 1000, bucket.milli + Math.max(0, now - bucket.at) * perSecond);
    bucket.at = now;
    // Deleting and setting keeps the map in the order of last use.
    this.#buckets.delete(client);
    this.#buckets.set(client, bucket);
    if (this.#buckets.size > clientsMax) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (bucket.milli >= 1000) {
      bucket.milli -= 1000;
      return 0;
    }
    return Math.ceil((1000 - bucket.milli) / perSecond);
  }

  /** The tokens in the client's bucket, and the ms until it is full. */
  left(client: string): { readonly tokens: number; readonly fullInMs: number } {
    const { perSecond, burst } = this.options;
    const milli = this.#buckets.get(client)?.milli ?? burst * 1000;
    return { tokens: Math.floor(milli / 1000), fullInMs: Math.ceil((burst * 1000 - milli) / perSecond) };
  }

  get size(): number {
    return this.#buckets.size;
  }
}

/** Key of a peer: an IPv4 address, or the /64 of an IPv6 address, because a client has all addresses of its /64. */
export function clientKey(address: string | undefined): string {
  if (address === undefined) return "local";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1]!;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("%")[0]!.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...zeros, ...right].slice(0, 4).map((part) => part.toLowerCase()).join(":");
}
