// Address files, version and settings of this process, with the origin of each setting. Pure.
import { bytesText } from "../../../shared/quantities.ts";
import { hostile, type Markup, panelHead, timeOf } from "../markup.tsx";
import { factList } from "./commit_view.tsx";
import type { PipelineInput } from "./pipeline_input.ts";

const ORIGINS = {
  setting: "GEO_DATABASE",
  installed: "installed by tidemark geo install",
  bundled: "bundled: countries only",
  none: "none: places are unknown",
} as const;

export function geoPanel({ geo, reader }: PipelineInput): Markup {
  if (geo === null) {
    return (
      <>
        {panelHead("Address files", [])}
        <p class="hint">This process does not look up places.</p>
      </>
    );
  }
  return (
    <>
      {panelHead("Address files", [])} {factList([
        ["Origin", ORIGINS[geo.origin]],
        ["Loaded", timeOf(reader, geo.loadedAt)],
        ...(geo.lastError === null ? [] : [["Last error", hostile(geo.lastError)] as const]),
      ])} {geo.files.map((file) =>
        factList([
          ["File", hostile(file.name)],
          ["Kind", <>{hostile(file.type)}, for {file.families.join(" and ")}</>],
          ["Built", <>{timeOf(reader, file.buildTime)}, {reader.count(file.ageDays)} days ago</>],
          ["Size", bytesText(file.sizeBytes)],
          ...(file.brokenRecords > 0 ? [["Broken records", reader.count(file.brokenRecords)] as const] : []),
        ])
      )}
    </>
  );
}

export function settingsPanel({ settingsView, version }: PipelineInput): Markup {
  const set = settingsView.filter(({ source }) => source !== "default");
  const rest = settingsView.filter(({ source }) => source === "default");
  const table = (rows: typeof settingsView) => (
    <div class="scroll" tabindex={0} role="region" aria-label="Settings">
      <table class="settings">
        <thead>
          <tr>
            <th scope="col">Setting</th>
            <th scope="col">Value</th>
            <th scope="col">From</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, value, source }) => (
            <tr>
              <th scope="row">
                <code>{name}</code>
              </th>
              <td>{hostile(value)}</td>
              <td class="soft">{source}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
  return (
    <>
      {panelHead(`Settings of this process, version ${version}`, [])}{" "}
      {set.length === 0 ? <p class="hint">All settings have their defaults.</p> : table(set)}
      <details id="defaults">
        <summary>{rest.length} defaults</summary>
        {table(rest)}
      </details>
    </>
  );
}
