// The breakdowns of the event that was read last: ids of its page, client and campaign, and its visitor. No I/O; hot path.
// Each rule runs once for a distinct token, as those of host and referrer do. Whether method and status speak of a page is found over bytes
// (request_bytes.ts). request_texts.ts is the slow and obvious twin; tests/fuzz compares the two.
import { CAMPAIGN_NONE, campaignOf, campaignValue } from "../../breakdown/campaign.ts";
import { clientOf, clientValue } from "../../breakdown/client.ts";
import { type Breakdowns, DIMENSION_BITS } from "../../breakdown/dimensions.ts";
import { NO_VIEW, pageValue, PATH_CHARACTERS_MAX } from "../../breakdown/page.ts";
import type { VisitorSalt } from "../../breakdown/visitor.ts";
import type { PlaceLocator } from "../../geo/port.ts";
import { BotVerdicts } from "../bots.ts";
import { TextDictionary } from "../text_dictionary.ts";
import type { EventBreakdowns } from "../types.ts";
import { NO_VIEWS, UrlParts } from "./request_bytes.ts";
import type { EventBreakdown } from "./request_texts.ts";
import { VisitorReader } from "./visitor_reader.ts";

const SLASH = 0x2f;
const NO_PATH_ID = NO_VIEWS.indexOf(NO_VIEW.none);
const TOO_LONG_ID = NO_VIEWS.indexOf(NO_VIEW.tooLong);
const NO_CAMPAIGN_ID = 0;
/** An escape takes six bytes for one character: a longer path is too long, however it is written. */
const PATH_BYTES_MAX = 6 * PATH_CHARACTERS_MAX;
/** Queries with a campaign often hold a number of their own (gclid, fbclid): what is remembered of them is emptied at this size. */
const QUERY_BYTES_MAX = 4 * 1024 * 1024;

/** One reader's breakdowns. Ids of clients stay valid for its life: what an agent can be is a closed list. */
export class BreakdownReader implements EventBreakdowns {
  page = 0;
  client = 0;
  campaign = 0;
  readonly counted: Breakdowns;
  readonly pages: TextDictionary;
  readonly clients: TextDictionary;
  readonly campaigns: TextDictionary;
  readonly verdicts: BotVerdicts;
  readonly #visitors: VisitorReader | null;
  readonly #url = new UrlParts();
  readonly #readsPages: boolean;
  readonly #readsCampaigns: boolean;
  readonly #readsUrls: boolean;

  /** @param counted what is counted; not 0 */
  constructor(counted: Breakdowns, { seed, locator }: { readonly seed: number; readonly locator: PlaceLocator }) {
    this.counted = counted;
    this.#readsPages = (counted & DIMENSION_BITS.page) !== 0;
    this.#readsCampaigns = (counted & DIMENSION_BITS.campaign) !== 0;
    this.#readsUrls = this.#readsPages || this.#readsCampaigns;
    // `use` sets the rules of pages and campaigns.
    this.pages = new TextDictionary(seed, () => undefined);
    this.campaigns = new TextDictionary(seed, () => undefined);
    this.clients = new TextDictionary(seed, () => undefined);
    this.verdicts = new BotVerdicts(
      seed,
      (counted & DIMENSION_BITS.client) === 0
        ? undefined
        : (agent, isBot) => this.clients.idOfText(clientValue(clientOf(agent, isBot))),
    );
    this.#visitors = (counted & DIMENSION_BITS.visitors) === 0 ? null : new VisitorReader(this.verdicts, locator);
  }

  /** Changes how texts are cut; forgets every id of pages and campaigns. */
  use(clean: (text: string) => string): void {
    this.pages.use((url) => pageValue({ url }, clean));
    this.campaigns.use((url) => campaignValue(campaignOf(url, clean)));
    this.#addReserved();
  }

  get memoryBytes(): number {
    return this.pages.memoryBytes + this.clients.memoryBytes + this.campaigns.memoryBytes +
      (this.#visitors?.memoryBytes ?? 0);
  }

  /** Forgets every id of pages and campaigns. */
  reset(): void {
    this.pages.reset();
    this.campaigns.reset();
    this.#addReserved();
  }

  /** So that a reason's id is its place in {@link NO_VIEWS}. */
  #addReserved(): void {
    for (const value of NO_VIEWS) this.pages.idOfText(value);
    this.campaigns.idOfText(CAMPAIGN_NONE);
  }

  /**
   * Takes the event whose URL is the token `b[start, end)`. Returns false if the slow path has to decide.
   *
   * @param noView the result of `noViewOf`, which is not UNCERTAIN
   */
  readUrl(b: Uint8Array, view: DataView, start: number, end: number, noView: number): boolean {
    if (!this.#readsUrls) return true;
    const url = this.#url;
    url.find(b, start, end);
    if (this.#readsPages) {
      if (noView >= 0) this.page = noView;
      else if (start === end) this.page = NO_PATH_ID;
      else this.page = this.#pageOf(b, view, url.pathStart, url.pathEnd, url.isEscaped);
    }
    if (this.#readsCampaigns) {
      if (url.campaignStart === url.campaignEnd) this.campaign = NO_CAMPAIGN_ID;
      else {
        this.campaign = this.campaigns.idOfToken(b, view, url.campaignStart, url.campaignEnd);
        if (this.campaigns.tokenBytes > QUERY_BYTES_MAX) this.campaigns.forgetTokens();
      }
    }
    return this.page >= 0 && this.campaign >= 0;
  }

  #pageOf(b: Uint8Array, view: DataView, start: number, end: number, isEscaped: boolean): number {
    if (end - start > PATH_BYTES_MAX && b[start] === SLASH && !isEscaped) return TOO_LONG_ID;
    return this.pages.idOfToken(b, view, start, end);
  }

  /** Takes the agent `b[start, end)`, which `verdicts` was asked for last, and the address of the client. */
  readAgent(b: Uint8Array, start: number, end: number, clientStart: number, clientEnd: number): void {
    this.client = this.verdicts.client;
    this.#visitors?.take(b, start, end, clientStart, clientEnd);
  }

  /** Takes what the slow path has read. */
  readTexts({ page, client, campaign, agent }: EventBreakdown, address: Uint8Array): void {
    this.page = this.pages.idOfText(page);
    this.client = this.clients.idOfText(client);
    this.campaign = this.campaigns.idOfText(campaign);
    this.#visitors?.takeText(agent, address);
  }

  visitor(salt: VisitorSalt): number {
    return this.#visitors!.update(salt);
  }
}
