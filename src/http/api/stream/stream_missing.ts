// The answer where the schema is there but no stream was started in it yet. No I/O.
import { HttpProblem } from "../../server/problem.ts";

/** What a route throws that has nothing to say before the first start. */
export function streamMissing(): HttpProblem {
  return new HttpProblem(
    "stream_missing",
    "No stream was started in this database yet. Start one with `tidemark run` or `tidemark dev`.",
  );
}
