// Browser, operating system and class of device of a user agent. No I/O. The patterns are those of the npm package bowser; each answer is one
// of a closed list, whatever an agent says. The caller keeps the answer beside the interned agent.
import Bowser from "bowser";
import { PART_END } from "./dimensions.ts";

/** Characters of an agent that are read; real ones have fewer than 300. It bounds the cost of one hostile value. */
export const AGENT_CHARACTERS_MAX = 1024;

/** `tv` is a television set or a box at one; `console` plays games. */
export const DEVICES = ["desktop", "mobile", "tablet", "tv", "console"] as const;
/** Value of all three dimensions for a bot. */
export const BOT_CLIENT = "(bot)";
/** Value where the agent is missing or not recognised. */
export const UNKNOWN_CLIENT = "(unknown)";

interface Client {
  readonly browser: string;
  readonly os: string;
  /** One of {@link DEVICES}, {@link BOT_CLIENT} or {@link UNKNOWN_CLIENT}. */
  readonly device: string;
}

/** bowser's name of an agent that it does not know is the agent's own first word. So only names that bowser itself gives count. */
const BROWSERS: ReadonlySet<string> = new Set([
  ...Object.values(Bowser.BROWSER_MAP),
  // Names that its table lacks.
  "Miui",
  "Opera Touch",
  "PlayStation 4",
  "SlimerJS",
]);
const SYSTEMS: ReadonlySet<string> = new Set(Object.values(Bowser.OS_MAP));

/** What bowser does not tell apart, by the first that matches; `undefined` keeps its answer. */
const OWN: readonly { readonly agent: RegExp; readonly os?: string; readonly device: (typeof DEVICES)[number] }[] = [
  { agent: /\bXbox\b/, os: "Xbox", device: "console" },
  { agent: /\bPlayStation\b/i, os: "PlayStation", device: "console" },
  { agent: /\bNintendo\b/, os: "Nintendo", device: "console" },
  { agent: /\bKAIOS\//, os: "KaiOS", device: "mobile" },
  { agent: /\bAFT[A-Z0-9]{1,8}(?:\)| Build\/)/, device: "tv" },
  { agent: /\b(?:BRAVIA|CrKey|GoogleTV|Android TV|Apple ?TV)\b/, device: "tv" },
  { agent: /\b(?:SmartTV|SMART-TV|Web0S|NetCast|HbbTV)\b/, device: "tv" },
  { agent: /\bOpera Mini\//, device: "mobile" },
  { agent: /\bFreeBSD\b/, os: "FreeBSD", device: "desktop" },
  { agent: /\bOpenBSD\b/, os: "OpenBSD", device: "desktop" },
  { agent: /\bNetBSD\b/, os: "NetBSD", device: "desktop" },
  { agent: /\bSunOS\b/, os: "Solaris", device: "desktop" },
];

const BOT: Client = { browser: BOT_CLIENT, os: BOT_CLIENT, device: BOT_CLIENT };
const UNKNOWN: Client = { browser: UNKNOWN_CLIENT, os: UNKNOWN_CLIENT, device: UNKNOWN_CLIENT };

/** The client that names itself `agent`; a missing agent is "". `bot` is the verdict of `isBotAgent`: of bots nothing more is asked. */
export function clientOf(agent: string, bot: boolean): Client {
  if (bot) return BOT;
  const read = agent.slice(0, AGENT_CHARACTERS_MAX);
  if (read.trim() === "") return UNKNOWN;
  const found = Bowser.getParser(read, true);
  const own = OWN.find((one) => one.agent.test(read));
  return {
    browser: listed(found.getBrowserName(), BROWSERS),
    os: own?.os ?? listed(found.getOSName(), SYSTEMS),
    device: own?.device ?? listed(found.getPlatformType(), DEVICE_NAMES),
  };
}

/** The value under which a hit counts in the dimension `client`: browser, system and device, separated by U+001E. */
export const clientValue = ({ browser, os, device }: Client): string => [browser, os, device].join(PART_END);

const DEVICE_NAMES: ReadonlySet<string> = new Set(DEVICES);

const listed = (name: string | undefined, names: ReadonlySet<string>) =>
  name !== undefined && names.has(name) ? name : UNKNOWN_CLIENT;
