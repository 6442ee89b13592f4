// Reports from a running service over HTTP, for an embedded database that the service has open. Shell: sends requests.
import type { Parameters } from "../../report/report_query.ts";
import { EXIT, messageOf, NamedError, Unavailable } from "../../shared/errors.ts";
import type { Settings } from "../../shared/config/settings.ts";

/** Longer than the service's own deadline for a report. */
const ANSWER_MS = 40_000;

export interface ReportService {
  /** `http://localhost:8080`. */
  readonly address: string;
  readonly token: string | undefined;
}

export const reportService = (address: string, { API_TOKEN, API_ADMIN_TOKEN }: Settings): ReportService => ({
  address,
  token: API_TOKEN ?? API_ADMIN_TOKEN,
});

/** Requests one report. @throws NamedError if the service refuses, Unavailable if it does not answer */
export async function askReport(
  { address, token }: ReportService,
  name: string,
  given: Parameters,
  format: "json" | "csv" | "ndjson",
): Promise<Response> {
  const query = new URLSearchParams(Object.entries({ ...given, format }).map(([name, value]) => [name, String(value)]));
  const response = await ask(`${address}/v1/reports/${name}?${query}`, token);
  if (response.ok) return response;
  const problem: unknown = await response.json().catch(() => null);
  const detail = problem !== null && typeof problem === "object" && "detail" in problem ? `: ${problem.detail}` : "";
  throw new NamedError(
    "service_refused",
    `The service at ${address}, which has the data folder open, answered ${response.status}${detail}`,
    response.status < 500 ? EXIT.usage : EXIT.unavailable,
    response.status === 401 || response.status === 403
      ? "Set API_TOKEN to the token of that service."
      : "Read the log of that service, or stop it and try again.",
  );
}

async function ask(url: string, token: string | undefined): Promise<Response> {
  try {
    return await fetch(url, {
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
  } catch (cause) {
    throw new Unavailable(
      "service_unavailable",
      `The service that has the data folder open does not answer: ${messageOf(cause)}`,
      "Read the log of that service, or stop it and try again.",
      { cause },
    );
  }
}
