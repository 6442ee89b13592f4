// `tidemark geo` as a subcommand: its flags and settings; the work is in geo.ts.
import { boolean } from "../shared/config/kinds.ts";
import { defineCommand, flag } from "./command.ts";
import { GEO_HELP, geoCommand } from "./geo.ts";

export const command = defineCommand({
  usage: "install | status | lookup ADDRESS…",
  description: `\n\n${GEO_HELP}`,
  groups: ["geo", "process"],
  flags: { force: flag(boolean, { doc: "With install: download again what is there." }) },
  run: (args, context) => geoCommand(context.flags.force ? [...args, "--force"] : args, context),
});
