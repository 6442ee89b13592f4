// Faults of Tidemark's own processes: killed, frozen, doubled, joining and leaving. Shell.
import { killRun } from "./kill_run.ts";
import { pause } from "./load.ts";
import type { Entry } from "./entry.ts";
import { underLoad } from "./under_load.ts";

export const PROCESS_ENTRIES: readonly Entry[] = [
  {
    name: "kill-9",
    done: "kill -9 at random moments 0.5 to 4 s apart, a second instance joining and leaving, three zombies",
    async run({ broker, postgres }) {
      const { comparison, kills, fenced, joins } = await killRun({
        broker,
        database: postgres.url,
        seed: 200,
        events: 1_000_000,
        kills: 200,
        freezes: 3,
        rate: 2_000,
        lifeMs: [500, 4_000],
      });
      return {
        ...comparison,
        kills,
        fenced,
        result: "equal to the oracle",
        note: `${joins} joins of the second instance`,
      };
    },
  },
  {
    name: "zombie",
    done: "SIGSTOP for 15 s (session 6 s) while another instance takes over, SIGCONT; five times, in turn",
    run: (servers) =>
      underLoad(servers, { events: 400_000, rate: 3_500, instances: 2 }, async (_world, instances) => {
        for (let i = 0; i < 5; i++) {
          await pause(3_000);
          instances[i % 2]!.signal("SIGSTOP");
          await pause(15_000);
          instances[i % 2]!.signal("SIGCONT");
        }
      }),
  },
  {
    name: "sigterm-under-load",
    done: "SIGTERM under load and start again, ten times: exit code 0 each time",
    async run(servers) {
      let slowest = 0;
      return await underLoad(servers, {
        events: 300_000,
        rate: 6_000,
        note: () => `slowest stop ${(slowest / 1000).toFixed(1)} s`,
      }, async (_world, [instance]) => {
        for (let i = 0; i < 10; i++) {
          // Before that the program has not yet said that it wants to hear of signals.
          await instance!.waitForLine("listening");
          await pause(i * 300);
          const asked = performance.now();
          const exit = await instance!.stop();
          slowest = Math.max(slowest, performance.now() - asked);
          if (exit.code !== 0) throw new Error(`SIGTERM ended with ${exit.code}:\n${exit.stderr.slice(-2000)}`);
          instance!.start();
        }
      });
    },
  },
  {
    name: "out-of-memory",
    done: "a heap too small for the work (12 MiB): the process dies of it again and again for 40 s, then gets room",
    async run(servers) {
      let deaths = 0;
      return await underLoad(servers, {
        events: 250_000,
        rate: 6_000,
        note: () => `${deaths} deaths for lack of memory`,
      }, async (_world, [instance]) => {
        await instance!.stop();
        const small = { DENO_V8_FLAGS: "--max-old-space-size=12" };
        instance!.start(["run"], small);
        for (const end = performance.now() + 40_000; performance.now() < end; await pause(200)) {
          if (!instance!.died) continue;
          await instance!.ended();
          deaths++;
          instance!.start(["run"], small);
        }
        await instance!.kill();
        if (deaths === 0) throw new Error("12 MiB were enough");
        instance!.start();
      });
    },
  },
  {
    name: "same-identity",
    done:
      "a second process over the same data folder; then one over a copy of it (same identity and remembered member)",
    async run(servers) {
      let copies = 0;
      return await underLoad(servers, {
        events: 150_000,
        rate: 4_000,
        note: () => `the same folder is refused with exit code 5; ${copies} copies ran`,
      }, async (world, [instance]) => {
        const twin = world.instance("twin", instance!.env);
        twin.start();
        const { code } = await twin.ended();
        if (code !== 5) throw new Error(`The second process over the folder ended with ${code}, not 5`);
        for (; copies < 3; copies++) {
          const folder = `${world.folder}/copy-${copies}`;
          await Deno.mkdir(folder);
          for await (const { name } of Deno.readDir(instance!.env.DATA_DIR!)) {
            if (name.endsWith(".note")) await Deno.copyFile(`${instance!.env.DATA_DIR}/${name}`, `${folder}/${name}`);
          }
          const copy = world.instance(`copy-${copies}`, { ...instance!.env, DATA_DIR: folder });
          copy.start();
          await pause(5_000);
          if (copies < 2) await copy.stop();
        }
      });
    },
  },
  {
    name: "rebalance-storm",
    done: "three instances of which one leaves or joins every second, 60 times",
    run: (servers) =>
      underLoad(servers, { events: 400_000, rate: 5_000, instances: 3, partitions: 6 }, async (world, instances) => {
        const before = await world.position();
        for (let i = 0; i < 60; i++) {
          await pause(1_000);
          const one = instances[i % 3]!;
          if (one.running) await one.stop();
          else one.start();
        }
        for (const instance of instances) if (!instance.running) instance.start();
        if (await world.position() <= before) throw new Error("No progress in the storm");
      }),
  },
];
