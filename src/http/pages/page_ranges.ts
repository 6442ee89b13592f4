// Ranges of the pages that move with the clock. Pure.
import { addDays, type LocalDate } from "../../report/time_zone.ts";

export const RANGES = [
  { name: "today", label: "Today" },
  { name: "yesterday", label: "Yesterday" },
  { name: "7d", label: "7 days" },
  { name: "28d", label: "28 days" },
  { name: "90d", label: "90 days" },
  { name: "month", label: "This month" },
  { name: "last_month", label: "Last month" },
  { name: "year", label: "This year" },
] as const;
export type RangeName = typeof RANGES[number]["name"];

/** First and last day of a preset, both inclusive, on the local day `today`. */
export function presetRange(name: RangeName, today: LocalDate): { readonly from: LocalDate; readonly to: LocalDate } {
  const firstOfMonth = `${today.slice(0, 7)}-01`;
  switch (name) {
    case "today":
      return { from: today, to: today };
    case "yesterday":
      return { from: addDays(today, -1), to: addDays(today, -1) };
    case "7d":
      return { from: addDays(today, -6), to: today };
    case "28d":
      return { from: addDays(today, -27), to: today };
    case "90d":
      return { from: addDays(today, -89), to: today };
    case "month":
      return { from: firstOfMonth, to: today };
    case "last_month": {
      const to = addDays(firstOfMonth, -1);
      return { from: `${to.slice(0, 7)}-01`, to };
    }
    case "year":
      return { from: `${today.slice(0, 4)}-01-01`, to: today };
  }
}
