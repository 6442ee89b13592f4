// `tidemark open`: opens the pages of the process on this machine in a browser, and prints their address.
import { boolean } from "../../shared/config/kinds.ts";
import { EXIT, Unavailable } from "../../shared/errors.ts";
import { defineCommand, flag } from "../command.ts";
import { runningAddress } from "./running.ts";

const OPENERS: Readonly<Partial<Record<typeof Deno.build.os, readonly string[]>>> = {
  darwin: ["open"],
  windows: ["rundll32", "url.dll,FileProtocolHandler"],
  linux: ["xdg-open"],
};

export const command = defineCommand({
  usage: "",
  description:
    "Finds the process by its data folder, or at HTTP_HOST and HTTP_PORT. It always prints the address, also on a machine without a browser.",
  groups: ["http", "process"],
  flags: { print: flag(boolean, { doc: "Only print the address." }) },
  async run(_args, { settings, flags, out }) {
    const address = await runningAddress(settings);
    if (address === undefined) {
      throw new Unavailable(
        "service_unavailable",
        `No running service was found for the data folder ${settings.DATA_DIR}, nor at HTTP_HOST and HTTP_PORT.`,
        "Start one with `tidemark run` or `tidemark dev`, or set its DATA_DIR or HTTP_PORT.",
      );
    }
    out(address);
    if (!flags.print) await openBrowser(address);
    return EXIT.ok;
  },
});

async function openBrowser(address: string): Promise<void> {
  const [program, ...args] = OPENERS[Deno.build.os] ?? [];
  if (program === undefined) return;
  try {
    await new Deno.Command(program, { args: [...args, address], stdin: "null", stdout: "null", stderr: "null" })
      .output();
  } catch (error) {
    // The program is missing or not allowed. The address was printed.
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable)) throw error;
  }
}
