// `tidemark completions bash|zsh|fish`: prints a shell's completion script, made from the tables of commands and settings.
import { EXIT } from "../../shared/errors.ts";
import { badArguments, defineCommand } from "../command.ts";
import { completionOf } from "./completion_tree.ts";
import { SCRIPTS } from "./shells.ts";

export const command = defineCommand({
  usage: Object.keys(SCRIPTS).join(" | "),
  description: "For bash: source <(tidemark completions bash). The first lines of each script say where to put it.",
  groups: [],
  flags: {},
  async run([shell = "", ...rest], { commands, data }) {
    const script = Object.entries(SCRIPTS).find(([name]) => name === shell)?.[1];
    if (script === undefined || rest.length > 0) {
      throw badArguments("completions", `completions needs one of: ${Object.keys(SCRIPTS).join(", ")}`);
    }
    const known = await Promise.all(
      Object.entries(commands).map(async ([name, { summary, load }]) =>
        completionOf(name, summary, (await load()).command)
      ),
    );
    data(script(known));
    return EXIT.ok;
  },
});
