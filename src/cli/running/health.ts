// `tidemark health`: asks a process on this machine whether it is alive or ready, for health checks of containers without curl.
import { hostInUrl, ownHost } from "../../shared/config/hosts.ts";
import { boolean, duration } from "../../shared/config/kinds.ts";
import { EXIT, messageOf, UsageError } from "../../shared/errors.ts";
import { printable } from "../../shared/printable.ts";
import { MINUTE } from "../../shared/units.ts";
import { defineCommand, flag } from "../command.ts";

export const command = defineCommand({
  usage: "",
  description: "Exit code 0 if it is; 7 if it is not, or does not answer in time.",
  groups: ["http", "process"],
  flags: {
    ready: flag(boolean, { doc: "Ask /readyz (can it serve, does the stream make progress) instead of /livez." }),
    timeout: flag(duration(100, MINUTE), { default: "3s", doc: "How long to wait for the answer." }),
  },
  async run(_args, { settings, flags, out, err }) {
    if (settings.HTTP_PORT === 0) {
      throw new UsageError(
        ["HTTP_PORT=0 means any free port, so the port is not known"],
        "Set HTTP_PORT.",
        "bad_settings",
      );
    }
    const url = healthUrl(settings.HTTP_HOST, settings.HTTP_PORT, flags.ready ? "/readyz" : "/livez");
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(flags.timeout), redirect: "error" });
      const body = (await response.text()).slice(0, 2_000).trim();
      if (response.ok) return out(printable(body)), EXIT.ok;
      err(`${url} answers ${response.status}: ${printable(body)}`);
    } catch (error) {
      err(`${url} does not answer: ${printable(messageOf(error))}`);
    }
    return EXIT.unhealthy;
  },
});

/** The URL of a process that listens on `host`, for this machine. */
export function healthUrl(host: string, port: number, path: string): string {
  return `http://${hostInUrl(ownHost(host))}:${port}${path}`;
}
