// `tidemark config`: prints the settings in effect and where each came from, without secrets.
import { boolean } from "../shared/config/kinds.ts";
import { showSetting } from "../shared/config/load.ts";
import { EXIT } from "../shared/errors.ts";
import { SETTING_GROUP_NAMES, SETTING_NAMES } from "../shared/config/settings.ts";
import { defineCommand, flag } from "./command.ts";
import { renderStreamEnv } from "./stream_env.ts";

/** Width of `settings file NAME` and the gaps. */
const ORIGIN_WIDTH = 20;

export const command = defineCommand({
  usage: "",
  description: "Secrets are shown as ***.",
  groups: SETTING_GROUP_NAMES,
  flags: {
    json: flag(boolean, { doc: "One JSON object: name → value, from, as." }),
    env: flag(boolean, { doc: "Print the text of stream.env instead." }),
  },
  run(_args, context) {
    const { columns, flags, out, sources } = context;
    if (flags.env) out(renderStreamEnv().trimEnd());
    else if (flags.json) {
      const rows = SETTING_NAMES.map((name) => {
        const { from, as } = sources[name];
        return [name, { value: showSetting(name, context), from, as }];
      });
      out(JSON.stringify(Object.fromEntries(rows), null, 2));
    } else {
      const shown = SETTING_NAMES.map((name) => showSetting(name, context) || "(unset)");
      const nameWidth = Math.max(...SETTING_NAMES.map((name) => name.length));
      // A longer value moves only the origin of its own line.
      const room = columns === undefined ? 40 : Math.max(12, columns - nameWidth - ORIGIN_WIDTH);
      const valueWidth = Math.min(room, Math.max(...shown.map((value) => value.length)));
      SETTING_NAMES.forEach((name, i) => {
        const { from, as } = sources[name];
        const origin = from === "default" || as === name ? from : `${from} ${as}`;
        out(`${name.padEnd(nameWidth)}  ${shown[i]!.padEnd(valueWidth)}  ${origin}`);
      });
    }
    return Promise.resolve(EXIT.ok);
  },
});
