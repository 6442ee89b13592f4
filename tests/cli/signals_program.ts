// Run by main_test.ts: says when the first signal aborted, then goes on as a command would that is slow to stop.
import { processHost } from "../../src/cli/host.ts";

const host = processHost();
const signal = host.listenForSignals();
signal.addEventListener("abort", () => host.out.line("aborted"));
host.out.line("ready");
setInterval(() => {}, 1_000);
