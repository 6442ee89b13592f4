// Recognises addresses that have no place: private, reserved and special ones. Pure.
// Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890) and the IPv6 address space registry.
//
// An address that contains another one counts as the inner one, because that is the visitor's:
// 6to4 2002::/16 (RFC 3056: the site's router), NAT64 64:ff9b::/96 (RFC 6052: the IPv4 side), Teredo 2001::/32 (RFC 4380 §4: the client's public
// address, all bits inverted). Databases disagree about these ranges (some repeat the IPv4 tree, some name the relay's operator).

/**
 * Whether an IPv4 address is not public. The few special ranges of globally reachable services (AS112, AMT) count as public.
 */
export function isSpecialV4(word: number): boolean {
  switch (word >>> 24) {
    case 0: // "this network", RFC 791 §3.2
    case 10: // private, RFC 1918
    case 127: // loopback, RFC 1122 §3.2.1.3
      return true;
    case 100: // shared space behind carrier NAT 100.64/10, RFC 6598
      return ((word >>> 22) & 3) === 1;
    case 169: // link-local 169.254/16, RFC 3927
      return ((word >>> 16) & 255) === 254;
    case 172: // private 172.16/12, RFC 1918
      return ((word >>> 20) & 15) === 1;
    case 192: {
      const third = (word >>> 8) & 0xffff;
      return (third >>> 8) === 168 || // private 192.168/16, RFC 1918
        third === 0x0000 || // protocol assignments 192.0.0/24, RFC 6890
        third === 0x0002 || // documentation 192.0.2/24, RFC 5737
        third === 0x5863; // former 6to4 relay 192.88.99/24, RFC 7526
    }
    case 198: {
      const third = (word >>> 8) & 0xffff;
      return (third >>> 9) === 9 || // benchmarking 198.18/15, RFC 2544
        third === 0x3364; // documentation 198.51.100/24, RFC 5737
    }
    case 203: // documentation 203.0.113/24, RFC 5737
      return ((word >>> 8) & 0xffff) === 0x0071;
    default: // multicast 224/4 (RFC 5771), future use 240/4 and broadcast (RFC 1112, RFC 919)
      return (word >>> 24) >= 224;
  }
}

/**
 * Whether an IPv6 address (four words, most significant first) is not public. Only 2000::/3 is allocated for global unicast, so one comparison covers
 * unspecified, loopback, IPv4-compatible, discard-only (RFC 6666), local NAT64 (RFC 8215), segment routing (RFC 9602), unique local (RFC 4193),
 * link-local (RFC 4291), former site-local (RFC 3879) and multicast. Call {@link embeddedV4} first.
 */
export function isSpecialV6(words: Uint32Array): boolean {
  const high = words[0]!;
  return (high >>> 29) !== 1 ||
    (high >>> 9) === 0x2001_0000 >>> 9 || // protocol assignments 2001::/23: benchmarking, ORCHID, DRIP (RFC 2928, 5180, 7343, 9374)
    high === 0x2001_0db8 || // documentation, RFC 3849
    (high >>> 12) === 0x3fff_0; // documentation 3fff::/20, RFC 9637
}

/** The IPv4 address in an IPv6 address of a transition mechanism (see the top of this file), or -1. */
export function embeddedV4(words: Uint32Array): number {
  const high = words[0]!;
  if (high >>> 16 === 0x2002) return ((high << 16) | (words[1]! >>> 16)) >>> 0;
  if (high === 0x2001_0000) return ~words[3]! >>> 0;
  if (high === 0x0064_ff9b && words[1] === 0 && words[2] === 0) return words[3]!;
  return -1;
}
