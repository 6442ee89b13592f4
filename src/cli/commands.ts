// All subcommands. A new one needs an entry here and a file, which is loaded only when the command is called.
import type { CommandEntry } from "./command.ts";

export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  run: {
    summary: "Read, count and commit: the service",
    load: async () => ({ command: (await import("./run/run.ts")).run }),
  },
  dev: {
    summary: "Demo traffic into an embedded database, for a first look",
    load: async () => ({ command: (await import("./run/run.ts")).dev }),
  },
  serve: {
    summary: "Serve only the HTTP API and the pages, read-only",
    load: async () => ({ command: (await import("./run/run.ts")).serve }),
  },
  produce: { summary: "Send event files and access logs to Kafka", load: () => import("./produce/produce.ts") },
  report: {
    summary: "Print a report: contributions, time series, rankings, visitors, forecasts",
    load: () => import("./report/report.ts"),
  },
  doctor: {
    summary: "Check settings, broker, database, places and the topic's content",
    load: () => import("./doctor/doctor.ts"),
  },
  resume: { summary: "Resume a stopped stream", load: () => import("./resume.ts") },
  replay: {
    summary: "Count closed windows again from the log and show what differs",
    load: () => import("./replay.ts"),
  },
  rules: {
    summary: "Show or switch the rules by which events are read",
    load: () => import("./rules.ts"),
  },
  "dead-letters": {
    summary: "List, show and purge records that can never be counted",
    load: () => import("./dead_letters.ts"),
  },
  health: { summary: "Ask a running process whether it is alive or ready", load: () => import("./running/health.ts") },
  open: { summary: "Show the pages of the running process in a browser", load: () => import("./running/open.ts") },
  migrate: { summary: "Bring the database schema up to date", load: () => import("./migrate.ts") },
  geo: {
    summary: "Install, check or query the databases that turn addresses into places",
    load: () => import("./geo.ts"),
  },
  plan: {
    summary: "Machines, bytes and cost for a given traffic, from measured figures",
    load: () => import("./plan/plan.ts"),
  },
  config: {
    summary: "Print the effective settings and their origins",
    load: () => import("./config.ts"),
  },
  completions: {
    summary: "Print the completion script of a shell",
    load: () => import("./completions/completions.ts"),
  },
};
