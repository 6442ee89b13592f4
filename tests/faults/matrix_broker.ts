// Faults of the broker and of the network to it: killed, frozen, silent, slow, cut. Shell.
import { startBroker } from "../support/kafka_broker.ts";
import { freePort } from "../support/postgres.ts";
import { startProxy, type TcpProxy } from "../support/tcp_proxy.ts";
import type { Entry, Servers } from "./entry.ts";
import { pause } from "./load.ts";
import { underLoad } from "./under_load.ts";

/** A broker with a second listener whose advertised address is our proxy; the harness itself goes straight to it. */
export async function behindProxy<T>(
  { postgres }: Pick<Servers, "postgres">,
  work: (servers: Servers, proxy: TcpProxy) => Promise<T>,
): Promise<T> {
  const [plain, controller, proxied] = [freePort(), freePort(), freePort()];
  await using proxy = startProxy(`127.0.0.1:${proxied}`);
  await using broker = await startBroker({
    port: plain,
    properties: {
      listeners: `PLAINTEXT://127.0.0.1:${plain},CONTROLLER://127.0.0.1:${controller},PROXIED://127.0.0.1:${proxied}`,
      "advertised.listeners": `PLAINTEXT://127.0.0.1:${plain},PROXIED://${proxy.url}`,
      "controller.quorum.voters": `1@127.0.0.1:${controller}`,
      "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT",
    },
  });
  return await work({ broker, postgres }, proxy);
}

export const BROKER_ENTRIES: readonly Entry[] = [
  {
    name: "broker-kill",
    done: "kill -9 of the broker and restart after 5 s, four times under load",
    run: (servers) =>
      underLoad(servers, { events: 250_000, rate: 5_000 }, async () => {
        for (let i = 0; i < 4; i++) {
          await pause(5_000);
          await servers.broker.kill();
          await pause(5_000);
          await servers.broker.restart();
        }
      }),
  },
  {
    name: "broker-frozen",
    done: "SIGSTOP of the broker for 30 s",
    run: (servers) =>
      underLoad(servers, { events: 200_000, rate: 8_000 }, async () => {
        await pause(5_000);
        servers.broker.pause();
        await pause(30_000);
        servers.broker.resume();
      }),
  },
  {
    name: "broker-half-open",
    done: "a network that swallows everything for 30 s while connections stay open, twice",
    run: (given) =>
      behindProxy(
        given,
        (servers, proxy) =>
          underLoad(servers, { events: 250_000, rate: 3_000, kafkaUrl: proxy.url }, async () => {
            for (let i = 0; i < 2; i++) {
              await pause(5_000);
              proxy.pause();
              await pause(30_000);
              proxy.resume();
            }
          }),
      ),
  },
  {
    name: "broker-latency",
    done: "200 ms of delay in each direction, jitter of 0 to 200 ms on top, for 60 s",
    run: (given) =>
      behindProxy(
        given,
        (servers, proxy) =>
          underLoad(servers, { events: 200_000, rate: 3_000, kafkaUrl: proxy.url }, async () => {
            for (let i = 0; i < 120; i++) {
              proxy.delay(200 + (i * 7919) % 200);
              await pause(500);
            }
            proxy.delay(0);
          }),
      ),
  },
  {
    name: "broker-one-byte",
    done: "everything from and to the broker in pieces of one byte for 40 s",
    run: (given) =>
      behindProxy(
        given,
        (servers, proxy) =>
          underLoad(servers, { events: 60_000, rate: 1_500, kafkaUrl: proxy.url }, async () => {
            proxy.chunk(1);
            await pause(40_000);
            proxy.chunk(Infinity);
          }),
      ),
  },
  {
    name: "broker-cut",
    done: "all connections to the broker cut each second, 40 times",
    run: (given) =>
      behindProxy(
        given,
        (servers, proxy) =>
          underLoad(servers, { events: 200_000, rate: 4_000, kafkaUrl: proxy.url }, async () => {
            for (let i = 0; i < 40; i++) {
              await pause(1_000);
              proxy.cut();
            }
          }),
      ),
  },
];
