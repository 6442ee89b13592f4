// The rules of reading events, as a stream stores them: a version and the settings that belong to it. No I/O.
// A change that gives any log other counts needs a new version. Older versions stay, so that a log always gives the same counts.
import { type FieldPaths, formatEventFields, parseEventFields } from "../shared/config/event_fields.ts";
import { UsageError } from "../shared/errors.ts";
import type { HostAddresses } from "./host.ts";
import { FormatProblem } from "./log_line/compile.ts";
import { FORMAT_NAMES, logFormat } from "./log_line/formats.ts";

/** Version 1 is that of releases before versions were stored. */
export const RULES_VERSIONS = [1, 2] as const;
type RulesVersion = typeof RULES_VERSIONS[number];
/** The version of new streams. */
export const RULES_VERSION_NEWEST: RulesVersion = 2;

/** The stored rules. Version 1 reads plain names and takes hosts as sent; its settings have their defaults. */
export interface StreamRules {
  readonly version: RulesVersion;
  /** Paths of fields that are not at the top under their own name. */
  readonly fields: FieldPaths;
  readonly hostAddresses: HostAddresses;
  /** FILE_FORMAT: how the lines of files are read. */
  readonly logFormat: string;
}

export const RULES_1: StreamRules = { version: 1, fields: {}, hostAddresses: "keep", logFormat: "auto" };
export const RULES_2: StreamRules = { version: 2, fields: {}, hostAddresses: "fold", logFormat: "auto" };

/** The rules of the newest version with these settings. @throws UsageError if FILE_FORMAT is not a format */
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

/** `wanted` by another version. Version 1 has no settings. */
export function rulesOfVersion(version: RulesVersion, wanted: StreamRules): StreamRules {
  return version === 1 ? RULES_1 : { ...wanted, version };
}

/** The text that is stored. Equal rules have equal texts. */
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

export const sameRules = (a: StreamRules, b: StreamRules): boolean => rulesJson(a) === rulesJson(b);

/** Reads the text of {@link rulesJson}. @throws UsageError `rules_unknown` if a newer release wrote it */
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
    "Upgrade this program to the release that switched the rules; `tidemark rules` of that release shows them.",
    "rules_unknown",
  );
}

/**
 * Refuses settings that would make this process read events in another way than the stream. The version is not a setting; the stored one
 * applies.
 *
 * @throws UsageError `event_rules_differ`
 */
export function checkRules(stored: StreamRules, wanted: StreamRules): void {
  const problems = ruleProblems(stored, wanted);
  if (problems.length === 0) return;
  throw new UsageError(
    problems,
    "Use the settings that the stream stores. Or run `tidemark rules --switch` with the new ones: they then apply from the stored positions on.",
    "event_rules_differ",
  );
}

/** The differences for which {@link checkRules} refuses; empty = none. */
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

/** Whether every field is at the top under its own name. */
export const isPlain = (rules: StreamRules): boolean => formatEventFields(rules.fields) === "";
