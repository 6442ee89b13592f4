// What an event adds to the breakdowns, from the texts of its request: the slow, obvious twin of request_bytes.ts and breakdown_reader.ts. Pure.
import { campaignOf, campaignValue } from "../../breakdown/campaign.ts";
import { clientOf, clientValue } from "../../breakdown/client.ts";
import { type Breakdowns, DIMENSION_BITS } from "../../breakdown/dimensions.ts";
import { pageValue } from "../../breakdown/page.ts";

/** Fields of a request as sent; `undefined` where the record does not have one. */
export interface RequestTexts {
  readonly url?: string | undefined;
  readonly method?: string | undefined;
  readonly status?: string | undefined;
  readonly user_agent?: string | undefined;
}

/** What one event adds; an empty text in place of a dimension that is not counted. */
export interface EventBreakdown {
  readonly page: string;
  readonly client: string;
  readonly campaign: string;
  /** The user agent as sent: a visitor is an address with an agent. */
  readonly agent: string;
}

/**
 * The values under which an event counts.
 *
 * @param counted what is counted
 * @param bot the verdict of `isBotAgent`
 * @param clean shortens a text to the longest that is stored
 */
export function eventBreakdown(
  { url, method, status, user_agent: agent = "" }: RequestTexts,
  { counted, bot, clean }: {
    readonly counted: Breakdowns;
    readonly bot: boolean;
    readonly clean: (text: string) => string;
  },
): EventBreakdown {
  const counts = (bit: number) => (counted & bit) !== 0;
  return {
    page: counts(DIMENSION_BITS.page)
      ? pageValue({ url, method: methodOf(method), status: statusOf(status) }, clean)
      : "",
    client: counts(DIMENSION_BITS.client) ? clientValue(clientOf(agent, bot)) : "",
    campaign: counts(DIMENSION_BITS.campaign) ? campaignValue(campaignOf(url, clean)) : "",
    agent,
  };
}

/** The method; `undefined` for an empty text and for the dash of logs. */
const methodOf = (sent: string | undefined) => sent === "" || sent === "-" ? undefined : sent;

/** The status of one to three digits; `undefined` for anything else. */
function statusOf(sent: string | undefined): number | undefined {
  return sent !== undefined && /^\d{1,3}$/.test(sent) ? Number(sent) : undefined;
}
