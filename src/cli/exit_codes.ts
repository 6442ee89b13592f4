// What each exit code means, and which one an error ends in. No I/O.
import { EXIT, type ExitCode, NamedError } from "../shared/errors.ts";
import { namedRefusal } from "../shared/refusal.ts";

/** For `--help` and docs/configuration.md. */
export const EXIT_MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "done, or stopped by a signal in good order",
  internal: "a bug: an assertion failed; the stored state is untouched",
  usage: "settings or arguments are wrong, or the stored stream was made with others",
  unavailable: "the broker or the database did not answer in time",
  stopped: "the stream is stopped until an operator decides",
  busy: "another process holds the data folder, the port or the log",
  findings: "a check that was asked for found something",
};

/** An error as it is told: stable name, sentences, and what to do about it. */
export interface Failure {
  readonly code: string;
  readonly exitCode: ExitCode;
  /** One sentence or problem each. */
  readonly lines: readonly string[];
  readonly action: string;
}

/** Turns anything thrown into what is told about it; unknown errors are bugs and keep their stack. */
export function describeFailure(thrown: unknown): Failure {
  const error = namedRefusal(thrown);
  if (error instanceof NamedError) {
    return { code: error.code, exitCode: error.exitCode, lines: error.message.split("\n"), action: error.action };
  }
  if (error instanceof Deno.errors.NotCapable) {
    return {
      code: "permission_refused",
      exitCode: EXIT.usage,
      lines: [error.message],
      action: "Grant it, or change the setting that asks for it; see docs/configuration.md.",
    };
  }
  const text = error instanceof Error ? error.stack ?? `${error.name}: ${error.message}` : String(error);
  return {
    code: "internal",
    exitCode: EXIT.internal,
    lines: text.split("\n"),
    action: "This is a bug. The stored state is untouched: starting again goes on from it.",
  };
}
