// Reports and alerts, and the results of their deliveries. Pure.
import { hostile, type Markup, NOTHING, panelHead, timeOf } from "../markup.tsx";
import { dataTable } from "../data_table.tsx";
import type { PipelineInput } from "./pipeline_input.ts";

const STATES = { pending: "waits", sent: "sent", failed: "given up" } as const;

/** Nothing if there is no message. */
export function deliveryPanel({ data: { deliveries }, reader }: PipelineInput): Markup {
  if (deliveries.length === 0) return NOTHING;
  return (
    <>
      {panelHead("Reports and alerts", [{ label: "JSON", href: "/v1/deliveries" }])}
      {dataTable(
        "Reports and alerts",
        ["Message", "Days", "To", "State", "#Tries", "Made", "Sent or next try", "Last error"],
        deliveries.map((one) => (
          <tr>
            <th scope="row">{one.kind} {one.view === null ? "" : hostile(one.view)}</th>
            <td>
              {one.day_from === one.day_to
                ? reader.day(one.day_from)
                : `${reader.day(one.day_from)} – ${reader.day(one.day_to)}`}
            </td>
            <td>{hostile(one.target)}</td>
            <td>
              <span class={`tag ${one.state === "sent" ? "flowing" : "stuck"}`}>{STATES[one.state]}</span>
            </td>
            <td class="n">{reader.count(one.attempts)}</td>
            <td>{timeOf(reader, one.created_at)}</td>
            <td>{timeOf(reader, one.sent_at ?? one.next_attempt_at)}</td>
            <td>{one.last_error === null ? <span class="none">–</span> : hostile(one.last_error)}</td>
          </tr>
        )),
        { whole: true },
      )}
    </>
  );
}
