// Which times of a series are written below its chart: midnights of the reader's zone, or round hours where the series is short. Pure.

/** Lengths up to which round hours are written, in ms, with the hours between two of them. */
const HOUR_STEPS = [[1.1, 3], [2.1, 6], [4, 12]].map(([days, hours]) => ({ span: days! * 86_400_000, hours: hours! }));

/** At most `max` of `starts` (epoch ms, ascending), evenly spaced. */
export function tickTimes(starts: readonly number[], tz: string, max: number): number[] {
  const span = (starts.at(-1) ?? 0) - (starts[0] ?? 0);
  const hours = HOUR_STEPS.find((step) => span <= step.span)?.hours ?? 24;
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: tz,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const round = starts.filter((start) => {
    const [hour, minute] = clock.format(start).split(":").map(Number);
    return minute === 0 && hour! % hours === 0;
  });
  // A series may miss all round times, as days do that begin at one o'clock.
  const candidates = round.length > 1 ? round : starts;
  const stride = Math.max(1, Math.ceil(candidates.length / max));
  return candidates.filter((_, i) => i % stride === 0);
}
