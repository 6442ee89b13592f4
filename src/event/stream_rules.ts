// The rules that decide what an event is, as a stream stores them: a version and the settings that belong to it. No I/O.
// A change of what any log gives needs a new version here; every older one stays, so that a log still gives the counts that it gave.
import { type FieldPaths, formatEventFields, parseEventFields } from "../shared/config/event_fields.ts";
import { UsageError } from "../shared/errors.ts";
import type { HostAddresses } from "./host.ts";
import { FormatProblem } from "./log_line/compile.ts";
import { FORMAT_NAMES, logFormat } from "./log_line/formats.ts";

/** Version 1 is what releases before stored versions did. */
export const RULES_VERSIONS = [1, 2] as const;
type RulesVersion = typeof RULES_VERSIONS[number];
/** What a new stream begins with. */
export const RULES_VERSION_NEWEST: RulesVersion = 2;

/** What a stream stores of its rules. Version 1 reads the plain names and takes hosts as sent: the settings then have their defaults. */
export interface StreamRules {
  readonly version: RulesVersion;
  /** Fields that lie elsewhere than under their own name. */
  readonly fields: FieldPaths;
  readonly hostAddresses: HostAddresses;
  /** FILE_FORMAT: how the lines of files are read. */
  readonly logFormat: string;
}

export const RULES_1: StreamRules = { version: 1, fields: {}, hostAddresses: "keep", logFormat: "auto" };
export const RULES_2: StreamRules = { version: 2, fields: {}, hostAddresses: "fold", logFormat: "auto" };

/** The rules that the settings ask for, by the newest version. @throws UsageError where FILE_FORMAT is not a format */
export function wantedRules(
  settings: {
    readonly EVENT_FIELDS?: FieldPaths | undefined;
    readonly HOST_ADDRESSES: HostAddresses;
    readonly FILE_FORMAT: string;
  },
): StreamRules {
  checkFormat(settings.FILE_FORMAT);
  return {
    version: RULES_VERSION_NEWEST,
    fields: settings.EVENT_FIELDS ?? {},
    hostAddresses: settings.HOST_ADDRESSES,
    logFormat: settings.FILE_FORMAT,
  };
}

function checkFormat(written: string): void {
  try {
    logFormat(written);
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error;
    throw new UsageError(
      [`FILE_FORMAT ${JSON.stringify(written)} cannot be read. ${error.message}`],
      `Set FILE_FORMAT to one of ${FORMAT_NAMES.join(", ")}, or to the format string of the server.`,
    );
  }
}

/** The rules of `version` that come nearest to `wanted`: version 1 has no settings. */
export function rulesOfVersion(version: RulesVersion, wanted: StreamRules): StreamRules {
  return version === 1 ? RULES_1 : { ...wanted, version };
}

/** As the stream stores them. Equal rules are equal texts. */
export function rulesJson({ version, fields, hostAddresses, logFormat }: StreamRules): string {
  return JSON.stringify(
    version === 1 ? { version } : {
      version,
      event_fields: formatEventFields(fields),
      host_addresses: hostAddresses,
      ...(logFormat !== "auto" && { log_format: logFormat }),
    },
  );
}

/** Whether both read every log alike. */
export const sameRules = (a: StreamRules, b: StreamRules): boolean => rulesJson(a) === rulesJson(b);

/** Reads what {@link rulesJson} wrote. @throws UsageError `rules_unknown` where another release wrote it */
export function parseStreamRules(json: string): StreamRules {
  const stored = JSON.parse(json) as Record<string, unknown>;
  const { version, event_fields = "", host_addresses = "fold", log_format = "auto", ...others } = stored;
  const known = RULES_VERSIONS.find((one) => one === version);
  if (known === undefined) {
    throw unknownRules(`version ${JSON.stringify(version)}`, `it knows ${RULES_VERSIONS.join(" and ")}`);
  }
  if (known === 1) return RULES_1;
  const fields = typeof event_fields === "string" ? parseEventFields(event_fields) : "";
  const name = Object.keys(others)[0];
  if (
    name !== undefined || typeof fields === "string" || typeof log_format !== "string" ||
    (host_addresses !== "fold" && host_addresses !== "keep")
  ) {
    throw unknownRules(json, name === undefined ? "one of its values is not known here" : `it does not know ${name}`);
  }
  return { version: known, fields, hostAddresses: host_addresses, logFormat: log_format };
}

function unknownRules(what: string, why: string): UsageError {
  return new UsageError(
    [`The stream reads events by rules that this release does not know (${what}): ${why}.`],
    "Bring this program up to the release that switched the rules; `tidemark rules` of that release shows them.",
    "rules_unknown",
  );
}

/**
 * Refuses settings under which this process would read events in another way than the stream does. The version is not a setting: the stored
 * one holds.
 *
 * @throws UsageError `event_rules_differ`
 */
export function checkRules(stored: StreamRules, wanted: StreamRules): void {
  const problems = ruleProblems(stored, wanted);
  if (problems.length === 0) return;
  throw new UsageError(
    problems,
    "Use the settings that the stream stores, or `tidemark rules --switch` with the new ones: they then hold from the stored positions on.",
    "event_rules_differ",
  );
}

/** What {@link checkRules} refuses, in words; empty = nothing. */
export function ruleProblems(stored: StreamRules, wanted: StreamRules): string[] {
  const asked = formatEventFields(wanted.fields), holds = formatEventFields(stored.fields);
  if (stored.version === 1) {
    return asked === "" ? [] : [
      `EVENT_FIELDS is ${asked} in the settings; the stream reads events by rules version 1, which has no such setting.`,
    ];
  }
  const problems: string[] = [];
  if (asked !== holds) {
    problems.push(`EVENT_FIELDS is ${asked || "empty"} in the settings, ${holds || "empty"} in the stream.`);
  }
  if (wanted.hostAddresses !== stored.hostAddresses) {
    problems.push(`HOST_ADDRESSES is ${wanted.hostAddresses} in the settings, ${stored.hostAddresses} in the stream.`);
  }
  if (wanted.logFormat !== stored.logFormat) {
    problems.push(`FILE_FORMAT is ${wanted.logFormat} in the settings, ${stored.logFormat} in the stream.`);
  }
  return problems;
}

/** Whether every field lies at the top under its own name. */
export const isPlain = (rules: StreamRules): boolean => formatEventFields(rules.fields) === "";
