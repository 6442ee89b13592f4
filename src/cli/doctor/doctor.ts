// `tidemark doctor`: checks everything that the stream needs and says what to do. If a server does not answer, it checks the rest. Shell.
import { access, constants } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { geoOptions, openGeoFiles } from "../../geo/geo_files.ts";
import type { GeoState } from "../../geo/geo_state.ts";
import { createPlaceLocator } from "../../geo/place_locator.ts";
import type { PlaceLocator } from "../../geo/port.ts";
import { fail, failed, type Finding, ok, renderFinding, skip, warn } from "../../operate/finding.ts";
import { boolean } from "../../shared/config/kinds.ts";
import { EXIT, messageOf, NamedError } from "../../shared/errors.ts";
import { jsonText } from "../../shared/printable.ts";
import { type FolderLock, lockFolder } from "../../shared/folder_lock.ts";
import { silentLog } from "../../shared/log.ts";
import { SETTING_GROUP_NAMES } from "../../shared/config/settings.ts";
import { codeOf } from "../../shared/sql.ts";
import { VERSION } from "../../shared/version.ts";
import { type CommandContext, defineCommand, flag } from "../command.ts";
import { checkDatabase, type DatabaseReport } from "./doctor_database.ts";
import { checkSource } from "./doctor_log.ts";
import { embeddedExists, openStorage, type Storage } from "../../app/storage.ts";

/** Address blocks move slowly: after some months, a few per cent of hits are counted for the wrong city. */
const GEO_AGE_DAYS_WARN = 100;

type DoctorContext = Omit<CommandContext, "flags">;

export const command = defineCommand({
  usage: "",
  description:
    "Changes nothing: it joins no group, takes no lease and writes no file. It opens an embedded database that no other process has open, " +
    "with connections that refuse writes. Exit code 6 if a check fails.",
  groups: SETTING_GROUP_NAMES,
  flags: { json: flag(boolean, { doc: "One JSON object: healthy, findings [{check, status, detail, action}]." }) },
  async run(_args, context) {
    const { flags, out, data, colour } = context;
    // The findings hold what the clients would log.
    const findings = await examine({ ...context, log: silentLog });
    const healthy = !failed(findings);
    if (flags.json) data(jsonText({ healthy, version: VERSION, findings }));
    else {
      for (const finding of findings) out(renderFinding(finding, colour));
      const count = (status: Finding["status"]) => findings.filter((f) => f.status === status).length;
      out(`${count("ok")} ok, ${count("warn")} to look at, ${count("fail")} failed`);
    }
    return healthy ? EXIT.ok : EXIT.findings;
  },
});

async function examine(context: DoctorContext): Promise<Finding[]> {
  const { settings } = context;
  const findings: Finding[] = [
    ok("settings", `valid; source ${settings.SOURCE}`),
    await checkDataFolder(settings.DATA_DIR),
  ];
  const geo = await checkGeo(context);
  findings.push(geo.finding);
  const opened = await openDatabase(context);
  findings.push(...opened.findings);
  try {
    const report: DatabaseReport = opened.storage === null
      ? { findings: [], stored: null, ready: false }
      : await checkDatabase(opened.storage, context);
    findings.push(...report.findings);
    findings.push(
      ...await checkSource(context, {
        database: report.ready ? opened.storage!.work : null,
        stored: report.stored,
        places: geo.places,
      }),
    );
  } finally {
    await opened.storage?.close();
    opened.lock?.release();
    geo.close();
  }
  return findings;
}

async function checkDataFolder(path: string): Promise<Finding> {
  try {
    const info = await Deno.stat(path);
    if (!info.isDirectory) return fail("data_folder", `${path} is not a folder`, "Set DATA_DIR to a folder.");
    const open = info.mode !== null && (info.mode & 0o077) !== 0;
    if (!open && !mayAskForRights()) return rightsUnknown(path);
    if (mayAskForRights()) await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return open
      ? warn("data_folder", `other users can enter ${path}`, `chmod 700 ${path}`)
      : ok("data_folder", `${path} can be written`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return await checkParent(path);
    return fail("data_folder", `${path}: ${messageOf(error)}`, "Set DATA_DIR to a folder that this user may write.");
  }
}

/** Whether `access` may read the user of this process, as a scoped binary may not. Without the right its error cannot be caught. */
function mayAskForRights(): boolean {
  return (["uid", "gid"] as const).every((kind) =>
    Deno.permissions.querySync({ name: "sys", kind }).state === "granted"
  );
}

const rightsUnknown = (path: string): Finding =>
  skip("data_folder", `${path}: this program's permissions do not allow checking whether it can be written`);

/** For a folder that the first start will make: whether this user may write the nearest folder above it. */
async function checkParent(path: string): Promise<Finding> {
  if (!mayAskForRights()) return rightsUnknown(path);
  for (let above = dirname(resolve(path));; above = dirname(above)) {
    try {
      await access(above, constants.W_OK | constants.X_OK);
      return ok("data_folder", `${path} is made at the first start`);
    } catch (error) {
      if (codeOf(error) === "ENOENT" && above !== dirname(above)) continue;
      return fail(
        "data_folder",
        `${path} does not exist and cannot be made in ${above}: ${messageOf(error)}`,
        "Set DATA_DIR to a folder that this user may write.",
      );
    }
  }
}

async function checkGeo(context: DoctorContext): Promise<{ finding: Finding; places: PlaceLocator; close(): void }> {
  try {
    const files = await openGeoFiles(geoOptions(context));
    files.readAll();
    return { finding: judgeGeo(files.state()), places: files.locator, close: () => files.close() };
  } catch (error) {
    if (!(error instanceof NamedError)) throw error;
    return {
      finding: fail("geo", error.message, error.action),
      places: createPlaceLocator(),
      close() {},
    };
  }
}

function judgeGeo({ origin, files, lastError }: GeoState): Finding {
  const age = Math.max(0, ...files.map((file) => file.ageDays));
  const detail = `${origin}: ${files.map((file) => file.name).join(", ") || "no file"}${
    files.length > 0 ? `, ${age} days old` : ""
  }`;
  const install = "Run `tidemark geo install`.";
  if (lastError !== null) {
    return fail("geo", `${detail}; ${lastError}`, "Replace the file, or run `tidemark geo install`.");
  }
  if (origin === "none") return warn("geo", "no place database: every place is unknown", install);
  if (origin === "bundled") return warn("geo", `${detail}: countries only`, `${install} It brings cities.`);
  return age > GEO_AGE_DAYS_WARN
    ? warn("geo", detail, `${install} Or renew the file of GEO_DATABASE.`)
    : ok("geo", detail);
}

interface OpenedDatabase {
  readonly storage: Storage | null;
  readonly lock: FolderLock | null;
  readonly findings: readonly Finding[];
}

/** If another process has the embedded database open, its checks are left out. */
async function openDatabase(context: DoctorContext): Promise<OpenedDatabase> {
  const { settings } = context;
  const none = (finding: Finding): OpenedDatabase => ({ storage: null, lock: null, findings: [finding] });
  if (settings.POSTGRES_URL !== undefined) {
    return { storage: await openStorage(context, { readOnly: true }), lock: null, findings: [] };
  }
  if (!await embeddedExists(settings.DATA_DIR)) {
    return none(skip("postgres", `embedded in ${settings.DATA_DIR}: is made at the first start`));
  }
  let lock: FolderLock | null = null;
  try {
    lock = await lockFolder(settings.DATA_DIR);
    return { storage: await openStorage(context, { readOnly: true }), lock, findings: [] };
  } catch (error) {
    lock?.release();
    if (!(error instanceof NamedError)) throw error;
    if (error.code === "data_dir_locked") {
      return none(
        skip("postgres", `embedded, and in use: ${error.message} Check that process over HTTP (/readyz, /v1/ledger).`),
      );
    }
    return none(fail("postgres", error.message, error.action));
  }
}
