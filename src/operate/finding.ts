// The result of a check of `tidemark doctor`, and its text. Pure.
import { printable } from "../shared/printable.ts";

/** skip: the check could not run; another finding says why. */
type FindingStatus = "ok" | "warn" | "fail" | "skip";

export interface Finding {
  /** Stable snake_case name, e.g. `clock_skew`. */
  readonly check: string;
  readonly status: FindingStatus;
  /** What the check found, with numbers. */
  readonly detail: string;
  /** What the operator should do; null for nothing. */
  readonly action: string | null;
}

export const ok = (check: string, detail: string): Finding => ({ check, status: "ok", detail, action: null });
export const warn = (check: string, detail: string, action: string): Finding => ({
  check,
  status: "warn",
  detail,
  action,
});
export const fail = (check: string, detail: string, action: string): Finding => ({
  check,
  status: "fail",
  detail,
  action,
});
export const skip = (check: string, detail: string): Finding => ({ check, status: "skip", detail, action: null });

/** `warn` alone is not a failure. */
export function failed(findings: readonly Finding[]): boolean {
  return findings.some(({ status }) => status === "fail");
}

const COLOUR: Readonly<Record<FindingStatus, string>> = {
  ok: "\x1b[32m",
  warn: "\x1b[33m",
  fail: "\x1b[31m",
  skip: "\x1b[2m",
};

/** Two columns, and the action on a line of its own. */
export function renderFinding({ check, status, detail, action }: Finding, colour: boolean): string {
  const mark = colour ? `${COLOUR[status]}${status.padEnd(4)}\x1b[0m` : status.padEnd(4);
  const next = action === null ? "" : `\n${" ".repeat(26)}→ ${printable(action)}`;
  return `${mark}  ${check.padEnd(18)}  ${printable(detail)}${next}`;
}
