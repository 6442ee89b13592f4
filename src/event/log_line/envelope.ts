// Takes a log line out of what container runtimes and syslog put around it. No I/O.

const CRI = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP] /;
/**
 * RFC 3164 (`Mar  3 10:00:08 web1 nginx[12]: `), which some servers send without a host name, and the same with the time that rsyslog
 * writes by default, `2026-03-03T10:00:08.123456+01:00`. RFC 5424 (`<14>1 2026-03-03T10:00:08Z web1 nginx 12 - - `).
 */
const SYSLOG =
  /^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (?:\S+ )?[^ :[]+(?:\[\d+\])?: /;
const SYSLOG_5424 = /^<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ (?:-|\[(?:[^\]\\]|\\.)*\]) (?:\ufeff)?/;
const COMPOSE = /^[\w.-]+ +\| /;

/** What is around the line: `undefined` if nothing is. */
export function envelopeOf(line: string): "docker" | "CRI" | "syslog" | "compose" | undefined {
  if (line.startsWith('{"log":')) return dockerLine(line) === undefined ? undefined : "docker";
  if (CRI.test(line)) return "CRI";
  if (SYSLOG.test(line) || SYSLOG_5424.test(line)) return "syslog";
  return COMPOSE.test(line) ? "compose" : undefined;
}

/** The line within `line`: the same where there is nothing around it. A docker json-file line is `{"log":"…","stream":…}`. */
export function innerLine(line: string): string {
  if (line.startsWith('{"log":')) return dockerLine(line) ?? line;
  const around = CRI.exec(line) ?? SYSLOG.exec(line) ?? SYSLOG_5424.exec(line) ?? COMPOSE.exec(line);
  return around === null ? line : line.slice(around[0].length);
}

function dockerLine(line: string): string | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const { log, stream, time } = value as { log?: unknown; stream?: unknown; time?: unknown };
    if (typeof log !== "string" || typeof stream !== "string" || typeof time !== "string") return undefined;
    return log.replace(/[\r\n]+$/, "");
  } catch {
    return undefined;
  }
}
