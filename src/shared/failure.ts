// Turns any error into a name, sentences, an action and an exit code. No I/O.
import { EXIT, type ExitCode, NamedError } from "./errors.ts";
import { namedRefusal } from "./refusal.ts";

export interface Failure {
  readonly code: string;
  readonly exitCode: ExitCode;
  /** One sentence or problem each. */
  readonly lines: readonly string[];
  readonly action: string;
}

/** Describes anything that was thrown. Unknown errors are bugs and keep their stack. */
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
      action: "Grant it, or change the setting that needs it; see docs/configuration.md.",
    };
  }
  const text = error instanceof Error ? error.stack ?? `${error.name}: ${error.message}` : String(error);
  return {
    code: "internal",
    exitCode: EXIT.internal,
    lines: text.split("\n"),
    action: "This is a bug. The stored state is not damaged. Start again to go on from it.",
  };
}
