// Which of our connections is which, by the name that each gives when it opens. Pure.
import type { Rank } from "./turns.ts";

/** What a connection with these start-up parameters is for; what is not ours reads. */
export function rankOf(parameters: ReadonlyMap<string, string>): Rank {
  switch (parameters.get("application_name")) {
    case "tidemark commit":
      return "commit";
    case "tidemark work":
    case "tidemark migrate":
      return "work";
    default:
      return "reader";
  }
}
