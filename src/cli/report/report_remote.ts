// Reports from a running service, over HTTP: for an embedded database that its process holds. Shell: asks the service.
import type { Parameters } from "../../report/report_query.ts";
import { EXIT, messageOf, NamedError, Unavailable } from "../../shared/errors.ts";
import type { Settings } from "../../shared/config/settings.ts";

/** A report may take as long as the service's own deadline, and some. */
const ANSWER_MS = 40_000;

/** A service that answers reports. */
export interface ReportService {
  /** `http://localhost:8080`. */
  readonly address: string;
  readonly token: string | undefined;
}

/** The service at `address`, with the token of the settings. */
export const reportService = (address: string, { API_TOKEN, API_ADMIN_TOKEN }: Settings): ReportService => ({
  address,
  token: API_TOKEN ?? API_ADMIN_TOKEN,
});

/** Asks for one report. @throws NamedError where the service refuses, Unavailable where it does not answer */
export async function askReport(
  { address, token }: ReportService,
  name: string,
  given: Parameters,
  format: "json" | "csv" | "ndjson",
): Promise<Response> {
  const query = new URLSearchParams({ ...given as Record<string, string>, format });
  const response = await ask(`${address}/v1/reports/${name}?${query}`, token);
  if (response.ok) return response;
  const problem: unknown = await response.json().catch(() => null);
  const detail = problem !== null && typeof problem === "object" && "detail" in problem ? `: ${problem.detail}` : "";
  throw new NamedError(
    "service_refused",
    `The service at ${address}, which holds the data folder, answers ${response.status}${detail}`,
    response.status < 500 ? EXIT.usage : EXIT.unavailable,
    response.status === 401 || response.status === 403
      ? "Set API_TOKEN to the token of that service."
      : "Look at the log of that service, or stop it and ask again.",
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
      `The service that holds the data folder does not answer: ${messageOf(cause)}`,
      "Look at the log of that service, or stop it and ask again.",
      { cause },
    );
  }
}
