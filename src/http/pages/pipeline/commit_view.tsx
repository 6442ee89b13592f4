// Commits: how many, how long, how much; and the instances that make them. Pure.
import { durationText } from "../../../shared/quantities.ts";
import { commitChart } from "./commit_chart.ts";
import { hostile, inlineSvg, type Markup, panelHead, timeOf } from "../markup.tsx";
import { COMMIT_SPANS, type CommitSpan } from "./pipeline_data.ts";
import { dataTable } from "../data_table.tsx";
import type { PipelineInput } from "./pipeline_input.ts";

/** Rows of the chart's table, newest first. */
const TABLE_ROWS = 60;

export function commitPanel({ data, reader, now, span, path }: PipelineInput): Markup {
  return (
    <>
      {panelHead("Commits", [{ label: "JSON", href: "/v1/checkpoints/history" }])}
      <div class="ranges spans" role="group" aria-label="Time of the chart">
        {(Object.keys(COMMIT_SPANS) as CommitSpan[]).map((name) => (
          <a href={path({ span: name })} aria-current={name === span ? "true" : undefined}>
            {COMMIT_SPANS[name].words}
          </a>
        ))}
      </div>
      <div class="chart chart-commits">
        {inlineSvg(commitChart(data.shown, { now, reader, id: "commit-chart", span }))}
      </div>
      <p class="legend">Heights are drawn as square roots, so that small values are visible beside large ones.</p>
      <details id="commit-data">
        <summary>Table</summary>
        {dataTable(
          "Commits",
          ["From", "#Commits", "#Records", "#Mean ms", "#Slowest ms", "#Behind"],
          data.shown.slice(-TABLE_ROWS).toReversed().map((bucket) => (
            <tr>
              <th scope="row">{timeOf(reader, bucket.at, "seconds")}</th>
              <td>{reader.count(bucket.commits)}</td>
              <td>{reader.count(bucket.records)}</td>
              <td>{reader.decimal(bucket.mean_ms)}</td>
              <td>{reader.decimal(bucket.max_ms)}</td>
              <td>{bucket.lag_ms === null ? "–" : durationText(Math.max(0, bucket.lag_ms))}</td>
            </tr>
          )),
        )}
      </details>
    </>
  );
}

export function enginePanel({ snapshots, reader, now }: PipelineInput): Markup {
  if (snapshots.length === 0) {
    return (
      <>
        {panelHead("This process", [])}
        <p class="hint">
          It only shows what other processes read (<code>tidemark serve</code>). It has no positions and rates of its
          own.
        </p>
      </>
    );
  }
  return (
    <>
      {panelHead("This process", [])}
      {snapshots.map((snapshot) => {
        const { commit, store, totals } = snapshot;
        const facts: readonly (readonly [string, unknown])[] = [
          ["Instance", hostile(snapshot.instance)],
          ["Phase", <>{snapshot.phase}{snapshot.reason === null ? "" : <>: {hostile(snapshot.reason)}</>}</>],
          ["Running for", durationText(now - snapshot.startedAt)],
          ["Partitions", snapshot.partitions.map(({ partition }) => partition).join(", ") || "none"],
          ["Database", store.reachable ? "reachable" : "away"],
          ["Last commit", timeOf(reader, commit.lastAt, "seconds")],
          [
            "Waiting to be committed",
            `${reader.count(commit.pendingRecords)} records, ${reader.count(commit.pendingKeys)} keys`,
          ],
          ["Records read", reader.count(totals.records)],
          ["Commits", reader.count(totals.commits)],
          ["Fenced, outcome unknown", `${reader.count(commit.fenced)}, ${reader.count(commit.unknownOutcomes)}`],
          ["Rebalances", reader.count(totals.rebalances)],
        ];
        return factList(facts);
      })}
    </>
  );
}

/** Names and values. */
export function factList(facts: readonly (readonly [string, unknown])[]): Markup {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
