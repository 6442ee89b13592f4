// All fuzz targets. A new grammar is a file and a line here.
import { accessLogTarget } from "./access_log_target.ts";
import { addressTarget } from "./address_target.ts";
import { eventTarget } from "./event_target.ts";
import { eventTimeTarget } from "./event_time_target.ts";
import { linesTarget } from "./lines_target.ts";
import { batchTarget } from "./batch_target.ts";
import { codecTarget } from "./codec_target.ts";
import { cursorTarget } from "./cursor_target.ts";
import { fetchTarget } from "./fetch_target.ts";
import { filePositionTarget } from "./file_position_target.ts";
import { httpTarget } from "./http_target.ts";
import { maskTarget } from "./mask_target.ts";
import { mmdbTarget } from "./mmdb_target.ts";
import { outcomeTarget } from "./outcome_target.ts";
import { pageTarget } from "./page_target.ts";
import { reportQueryTarget } from "./report_query_target.ts";
import { settingsFileTarget } from "./settings_file_target.ts";
import { settingsTarget } from "./settings_target.ts";
import { sketchTarget } from "./sketch_target.ts";
import { tarTarget } from "./tar_target.ts";
import type { Target } from "./target.ts";

export const TARGETS: readonly Target[] = [
  eventTarget,
  eventTimeTarget,
  addressTarget,
  mmdbTarget,
  tarTarget,
  accessLogTarget,
  pageTarget,
  sketchTarget,
  linesTarget,
  outcomeTarget,
  maskTarget,
  codecTarget,
  batchTarget,
  fetchTarget,
  filePositionTarget,
  settingsTarget,
  settingsFileTarget,
  cursorTarget,
  reportQueryTarget,
  httpTarget,
];

/** The target of a name. @throws Error that lists the names */
export function targetOf(name: string): Target {
  const target = TARGETS.find((known) => known.name === name);
  if (target === undefined) {
    throw new Error(`There is no fuzz target ${name}; there are ${TARGETS.map((known) => known.name).join(", ")}.`);
  }
  return target;
}
