// The settings table as a settings file: stream.env. No I/O.
import { SETTING_GROUP_NAMES, SETTING_GROUPS, settingOf, settingsOf } from "../shared/config/settings.ts";

/** A settings file for docker-compose.yml, with unset settings as comments. */
export function renderStreamEnv(): string {
  const lines = [
    "# Settings for a Kafka and a PostgreSQL on this machine, as docker-compose.yml starts them.",
    "# Use: tidemark run --env-file stream.env, or docker compose --env-file stream.env up.",
    "# The passwords here are for a first look: change them before other machines can reach the ports.",
    "# Made by `deno task docs` from src/shared/config/settings.ts.",
  ];
  for (const group of SETTING_GROUP_NAMES) {
    lines.push("", `## ${SETTING_GROUPS[group]}`);
    for (const name of settingsOf(group)) {
      const { doc, example, default: value } = settingOf(name);
      const given = example ?? value;
      lines.push("", `# ${doc}`, given === undefined ? `# ${name}=` : `${name}=${given}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
