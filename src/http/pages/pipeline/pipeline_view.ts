// The sections of the pipeline page. The same function renders a section for the whole page and for live updates. Pure.
import type { StreamState } from "../../api/stream/stream_rows.ts";
import { commitPanel, enginePanel } from "./commit_view.tsx";
import { deliveryPanel } from "./delivery_view.tsx";
import { flow } from "./flow_view.tsx";
import type { Views } from "../fragments.tsx";
import { ledgerPanel } from "./ledger_view.tsx";
import { partitionPanel } from "./partition_view.tsx";
import type { PipelineInput } from "./pipeline_input.ts";
import { deadPanel, latePanel } from "./reject_view.tsx";
import { geoPanel, settingsPanel } from "./settings_view.tsx";
import { windowPanel } from "./window_view.tsx";

/** The sections in order. */
export const PIPELINE_SECTIONS = [
  { id: "flow", pace: "fast", className: "wide" },
  { id: "partitions", pace: "fast", className: "panel wide" },
  { id: "windows", pace: "fast", className: "panel half" },
  { id: "commits", pace: "fast", className: "panel half" },
  { id: "ledger", pace: "calm", className: "panel wide" },
  { id: "dead", pace: "calm", className: "panel half" },
  { id: "late", pace: "calm", className: "panel half" },
  { id: "deliveries", pace: "calm", className: "panel wide" },
  { id: "engines", pace: "calm", className: "panel half" },
  { id: "geo", pace: "calm", className: "panel half" },
  { id: "settings", pace: "calm", className: "panel wide" },
] as const;

/** Every section by id; those of the stream only if there is one. */
export function pipelineViews(input: PipelineInput, state: StreamState | undefined): Views {
  return new Map([
    ...(state === undefined ? [] : [
      ["flow", flow(input, state)],
      ["partitions", partitionPanel(input, state)],
      ["windows", windowPanel(input, state)],
      ["commits", commitPanel(input)],
      ["ledger", ledgerPanel(input)],
      ["dead", deadPanel(input)],
      ["late", latePanel(input)],
      ["deliveries", deliveryPanel(input)],
    ] as const),
    ["engines", enginePanel(input)],
    ["geo", geoPanel(input)],
    ["settings", settingsPanel(input)],
  ]);
}
