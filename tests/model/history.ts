// Plays a whole history: step by step, with questions after each. Shell.
import { Random } from "../simulation/random.ts";
import { askFunction, Client } from "./ask.ts";
import { judge } from "./judge.ts";
import { Oracle } from "./oracle.ts";
import type { Plan, Step } from "./plan.ts";
import { draw, drawAll, drawAllBreakdowns, drawBreakdown, type Question } from "./questions.ts";
import { noTally, type Tally } from "./sheet.ts";
import { Play } from "./steps.ts";
import type { Server } from "./world.ts";

/** What came of one history. */
export interface Outcome extends Tally {
  readonly counts: Readonly<Record<string, number>>;
  steps: number;
}

/** How much is asked. */
export interface Curiosity {
  /** Questions after each step. */
  readonly perStep: number;
  /** Rounds of one question of each kind, at the end. */
  readonly atEnd: number;
}

/** The first violations say all: later ones follow from them. */
const VIOLATIONS_MAX = 5;

/** Plays until the end, or until something is wrong. */
export async function play(plan: Plan, server: Server, { perStep, atEnd }: Curiosity): Promise<Outcome> {
  await using world = await server.world(plan.settings);
  const oracle = new Oracle({
    ...plan.settings,
    beforeUnknown: plan.spared.has("before_stream") ? "may" : "yes",
  });
  const game = new Play(plan, world, oracle);
  const outcome: Outcome = { ...noTally(), counts: game.counts, steps: 0 };
  const client = new Client(game);
  const asked: Question[] = [];
  // Independent of the plan, so that a shorter plan is asked the same.
  const random = new Random(plan.seed, 22), breakdowns = new Random(plan.seed, 24);
  const add = (where: string, tally: Tally) => {
    outcome.asked += tally.asked;
    outcome.known += tally.known;
    outcome.final += tally.final;
    outcome.violations.push(...tally.violations.map((text) => `${where}: ${text}`));
  };
  const put = async (where: string, question: Question) => {
    const name = `${where} ${question.kind} ${JSON.stringify(question.params)}`;
    try {
      add(name, judge(question, await client.ask(question, oracle), oracle));
    } catch (error) {
      outcome.violations.push(`${name}: ${error}`);
    }
  };
  const failed = () => {
    outcome.violations.push(...game.violations.splice(0).map((text) => `step ${outcome.steps}: ${text}`));
    return outcome.violations.length > 0;
  };
  const step = async (one: Step, questions: number) => {
    outcome.steps++;
    if (one.kind === "reader") await turnReader();
    await game.step(one);
    if (failed()) return;
    for (let n = 0; n < questions; n++) {
      // Some are asked again, as by a page that is open for long.
      const question = asked.length > 0 && random.chance(0.25) ? random.pick(asked) : draw(random, oracle, plan.spared);
      asked.push(question);
      await put(`after step ${outcome.steps} (${one.kind})`, question);
    }
    if (questions > 0) await put(`after step ${outcome.steps} (${one.kind})`, drawBreakdown(breakdowns, oracle));
  };
  /** Begins a long transaction, or asks it what it saw and ends it. */
  const turnReader = async () => {
    const { reader } = world;
    if (reader === null) {
      await world.openReader();
      game.readerSaw = oracle.copy();
      return;
    }
    const saw = game.readerSaw!;
    const question = draw(random, saw, plan.spared, "function");
    add(
      `a long reader ${JSON.stringify(question.params)}`,
      judge(question, await askFunction(reader.sql, question.params), saw),
    );
    await reader.end();
  };

  await game.begin();
  for (const { now, steps } of plan.rounds) {
    game.time = now;
    for (const one of steps) {
      await step(one, perStep);
      if (outcome.violations.length > 0) return cut(outcome);
    }
  }
  if (world.reader) await turnReader();
  for (const one of drain(plan)) {
    await step(one, 0);
    if (outcome.violations.length > 0) return cut(outcome);
    for (let n = 0; n < atEnd; n++) {
      const all = [...drawAll(random, oracle, plan.spared), ...drawAllBreakdowns(breakdowns, oracle)];
      for (const question of all) await put("at the end", question);
    }
  }
  return cut(outcome);
}

/** Everything is read, closed and summed by two processes without faults. */
function drain({ logs }: Plan): Step[] {
  const plain = (process: number) => ({ process, fault: null });
  return [
    { kind: "restart", ...plain(1) },
    { kind: "commit", ...plain(1), partitions: logs.map((_, p) => p), records: 100_000 },
    ...logs.map((_, partition): Step => ({ kind: "idle", ...plain(1), partition })),
    { kind: "close", ...plain(0), windows: 100_000 },
    { kind: "roll_up", ...plain(0), calls: 100_000 },
  ];
}

function cut(outcome: Outcome): Outcome {
  outcome.violations.splice(VIOLATIONS_MAX);
  return outcome;
}
