// `tidemark completions bash|zsh|fish`: prints what teaches a shell the commands, flags and values. Made from the tables, so it is never behind.
import { EXIT } from "../../shared/errors.ts";
import { badArguments, defineCommand } from "../command.ts";
import { completionOf } from "./completion_tree.ts";
import { SCRIPTS } from "./shells.ts";

export const command = defineCommand({
  usage: Object.keys(SCRIPTS).join(" | "),
  description: "For bash: source <(tidemark completions bash). Each script says in its first lines where it goes.",
  groups: [],
  flags: {},
  async run([shell = "", ...rest], { commands, data }) {
    if (!Object.hasOwn(SCRIPTS, shell) || rest.length > 0) {
      throw badArguments("completions", `completions needs one of: ${Object.keys(SCRIPTS).join(", ")}`);
    }
    const known = await Promise.all(
      Object.entries(commands).map(async ([name, { summary, load }]) =>
        completionOf(name, summary, (await load()).command)
      ),
    );
    data(SCRIPTS[shell as keyof typeof SCRIPTS](known));
    return EXIT.ok;
  },
});
