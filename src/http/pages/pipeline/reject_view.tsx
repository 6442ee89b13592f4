// Records that were not counted: dead letters by reason with masked samples, and late records by window. Pure.
import { bar, type Markup, panelHead, timeOf } from "../markup.tsx";
import { dataTable } from "../data_table.tsx";
import type { PipelineInput } from "./pipeline_input.ts";
import { DEAD_REASON_WORDS } from "../../../shared/dead_reasons.ts";
import { fileText } from "../../api/stream/file_place.ts";
import { printable } from "../../../shared/printable.ts";

export function deadPanel({ data, reader, reason, path }: PipelineInput): Markup {
  const total = data.dead.reduce((sum, { records }) => sum + records, 0);
  const largest = Math.max(1, ...data.dead.map(({ records }) => records));
  if (total === 0) {
    return (
      <>
        {panelHead("Dead letters", [])}
        <p class="hint">None: every record could be read.</p>
      </>
    );
  }
  return (
    <>
      {panelHead(`Dead letters: ${reader.count(total)}`, [{ label: "JSON", href: "/v1/dead-letters" }])}
      <table class="ranking">
        <colgroup>
          <col />
          <col class="c-hits" />
        </colgroup>
        <thead class="sr">
          <tr>
            <th scope="col">Reason</th>
            <th scope="col">Records</th>
          </tr>
        </thead>
        <tbody>
          {data.dead.map((row) => (
            <tr>
              <th scope="row">
                <a
                  href={`${
                    path({
                      reason: row.reason === reason ? null : row.reason,
                    })
                  }#dead`}
                  aria-current={row.reason === reason ? "true" : undefined}
                >
                  <code>
                    {row
                      .reason}
                  </code>{" "}
                  <span class="soft">{(DEAD_REASON_WORDS as Readonly<Record<string, string>>)[row.reason] ?? ""}</span>
                </a>
                {bar(
                  row.records / largest,
                  "bad",
                )}
              </th>
              <td class="n">{reader.count(row.records)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {samples(data.samples, reason, reader)}
      <details id="dead-ranges">
        <summary>Newest positions{reason === undefined ? "" : ` of ${reason}`}</summary>
        {dataTable(
          "Positions of dead letters",
          [
            "Reason",
            "#Partition",
            data.ranges.some((range) => range.in_file) ? "#First place" : "#Offsets",
            "#Records",
            "#Seen",
          ],
          data.ranges.map((range) => (
            <tr>
              <th scope="row">
                <code>{range.reason}</code>
              </th>
              <td>{range.partition}</td>
              {range.in_file ? <td>{fileText(range.in_file)}</td> : (
                <td>
                  {reader.count(range.first_offset)}
                  {range.last_offset === range.first_offset ? "" : <>– {reader.count(range.last_offset)}</>}
                </td>
              )}
              <td>{reader.count(range.records)}</td>
              <td>{timeOf(reader, range.seen_at, "seconds")}</td>
            </tr>
          )),
        )}
      </details>
    </>
  );
}

/** The latest samples; the payloads are strangers' text. */
function samples(
  list: PipelineInput["data"]["samples"],
  reason: string | undefined,
  reader: PipelineInput["reader"],
): Markup {
  const title = (
    <h3>
      Newest samples{reason === undefined ? "" : (
        <>
          of <code>{reason}</code>
        </>
      )}
    </h3>
  );
  if (list === null) {
    return (
      <>
        {title}
        <p class="hint">
          Samples need the token of <code>API_ADMIN_TOKEN</code>.
        </p>
      </>
    );
  }
  if (list.length === 0) {
    return (
      <>
        {title}
        <p class="hint">No sample is kept.</p>
      </>
    );
  }
  return (
    <>
      {title}
      <div class="samples">
        {list.map((sample) => (
          <details id={`sample-${sample.partition}-${sample.offset}`}>
            <summary>
              <code>{sample.reason}</code> {sample.in_file
                ? fileText(sample.in_file)
                : <>partition {sample.partition}, offset {reader.count(sample.offset)}</>}, {reader.count(
                  sample.payload_bytes,
                )} bytes, {timeOf(reader, sample.seen_at, "seconds")}
            </summary>
            <pre tabindex={0}><code>{printable(sample.payload)}</code></pre>
          </details>
        ))}
      </div>
      <p class="legend">Addresses, headers and query strings are masked before a sample is kept.</p>
    </>
  );
}

export function latePanel({ data, reader }: PipelineInput): Markup {
  const late = data.ledger?.partitions.reduce((sum, row) => sum + row.late, 0) ?? 0;
  const dropped = data.ledger?.partitions.reduce((sum, row) => sum + row.late_dropped, 0) ?? 0;
  return (
    <>
      {panelHead(`Late records: ${reader.count(late)}`, [{ label: "JSON", href: "/v1/late" }])}{" "}
      {late === 0 ? <p class="hint">None: every record came before its window closed.</p> : (
        <>
          <p class="legend">
            They came after their window had closed for their partition. They never change a closed number:{" "}
            {dropped === 0
              ? "they are stored beside it"
              : `${reader.count(dropped)} were only counted, the others are stored beside it`}, and reports count them
            with <code>late=include</code>.
          </p>
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">Newest windows with late records</th>
                <th scope="col" class="n">Hits</th>
              </tr>
            </thead>
            <tbody>
              {data.late.map((row) => (
                <tr>
                  <th scope="row">{timeOf(reader, row.window_start)}</th>
                  <td class="n">{reader.count(row.hits)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </>
  );
}
