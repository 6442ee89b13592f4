// The fields of an event's JSON object: their single definition. No I/O.
import { z } from "zod";

/** Largest value that is read, in bytes. A longer one is the dead letter `too_large`. */
export const VALUE_BYTES_MAX = 1_048_576;

// A field of another type is read as missing: a number in `referrer` must not lose the event. `event_time` is required, so without it the
// event is the dead letter `bad_event_time`.
const text = z.string().optional().catch(undefined);

/**
 * The fields of an event. Other keys are ignored; of a repeated key the last one counts (as in `JSON.parse`). A field with a value of another
 * type, or `null`, counts as missing.
 */
export const eventSchema = z.object({
  url: text.describe(
    "Address that was asked for: its path is the page, its query may name a campaign; an absolute one gives the host where `host` is missing",
  ),
  referrer: text.describe("Address of the page that led here; missing or `-` means a direct visit"),
  user_agent: text.describe("Classifies human or bot, browser, system and device; missing means human"),
  host: text.describe("Host that was asked for; counted in lower case"),
  ip: text.describe("IPv4 or IPv6 address of the client, or the list of X-Forwarded-For"),
  method: text.describe("Method of the request; another than GET views no page"),
  status: z.union([z.string(), z.number()]).optional().catch(undefined)
    .describe("Status of the answer, up to three digits; redirects and errors view no page"),
  headers: text.describe("Request headers; never looked at, never stored"),
  event_time: z.union([z.string(), z.number().int()]).optional().catch(undefined)
    .describe("RFC 3339 text, or Unix seconds or milliseconds"),
});

/** An event's fields as sent, before any rule is applied to them. */
export type EventFields = z.output<typeof eventSchema>;
