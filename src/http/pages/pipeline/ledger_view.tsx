// The ledger: what became of every offset, as the two equations that must hold. Pure.
import { booked, imbalances, sum } from "../../api/stream/ledger_balance.ts";
import { hostile, type Markup, NOTHING, panelHead, timeOf } from "../markup.tsx";
import type { PipelineInput } from "./pipeline_input.ts";

export function ledgerPanel({ data, reader }: PipelineInput): Markup {
  const { ledger } = data;
  if (ledger === null) return NOTHING;
  const wrong = imbalances(ledger);
  const { partitions } = ledger;
  const number = (value: number) => reader.count(value);
  const counted = sum(partitions, (p) => p.counted);
  const term = (value: number, label: string) => (
    <span class="term">
      <strong>{number(value)}</strong>
      <span class="soft">{label}</span>
    </span>
  );
  const sign = (text: string) => <span class="sign-of" aria-hidden="false">{text}</span>;
  return (
    <>
      {panelHead("Ledger", [{ label: "JSON", href: "/v1/ledger" }])}
      <p class={`verdict ${wrong.length === 0 ? "good" : "bad"}`}>
        {wrong.length === 0
          ? (
            <>
              <span aria-hidden="true">✓</span> Balanced: nothing lost, nothing doubled
            </>
          )
          : (
            <>
              <span aria-hidden="true">✗</span> {number(wrong.length)} equations do not hold
            </>
          )}
        <span class="soft">
          , checked {timeOf(
            reader,
            ledger.now,
            "seconds",
          )}
        </span>
      </p>
      {wrong.length === 0
        ? ""
        : <ul class="wrong">{wrong.slice(0, 10).map(({ message }) => <li>{hostile(message)}</li>)}</ul>}{" "}
      {ledger.offsets_count_records
        ? (
          <p class="equation">
            {term(sum(partitions, (p) => p.next_offset - p.first_offset), "offsets read")}
            {sign(
              "=",
            )}
            {term(counted, "counted")}
            {sign("+")}
            {term(sum(partitions, (p) => p.late), "late")}
            {sign("+")}
            {term(
              sum(partitions, (p) => p.dead),
              "dead",
            )}
            {sign("+")}
            {term(sum(partitions, (p) => p.null_records), "null")}
            {sign("+")}
            {term(
              sum(partitions, (p) => p.skipped),
              "skipped",
            )}
          </p>
        )
        : <p class="equation">{term(sum(partitions, booked), "records booked")}</p>}
      <p class="equation">
        {term(counted, "counted")}
        {sign("=")}
        {term(
          ledger.closed_hits,
          `in ${number(ledger.closed_windows)} closed windows`,
        )}
        {sign("+")}
        {term(ledger.open_hits, `in ${number(ledger.open_windows)} open`)}
        {sign("+")}
        {term(
          ledger.retired_hits,
          "retired",
        )}
      </p>
    </>
  );
}
