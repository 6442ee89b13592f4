// Formats counts, sizes and durations for people. Settings have a grammar of their own, which can be read back. Pure.

/** `1,234,567`. */
export const countText = (count: number): string => Math.round(count).toLocaleString("en-US");

/** Thousands separated; a fraction below a thousand has three significant digits. */
export function numberText(value: number): string {
  if (Math.abs(value) >= 1_000 || Number.isInteger(value)) return countText(value);
  return Number(value.toPrecision(3)).toLocaleString("en-US", { maximumFractionDigits: 12 });
}

/** Bytes in binary units. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${numberText(bytes / 2 ** (10 * power))} ${units[power]}`;
}

/** Milliseconds in the largest unit that leaves two digits: `850 ms`, `12 s`, `3 min`, `2.5 h`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 360_000) / 10} h`;
  return `${Math.round(ms / 8_640_000) / 10} days`;
}
