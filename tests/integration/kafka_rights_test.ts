// Goal: what a broker's ACLs refuse is named with the right to grant, and a grant is noticed without a restart. Method: a real broker with its
// authorizer, a user that begins without any right, and rights that are granted one after the other.
import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from "kafkajs";
import { startBroker } from "../support/kafka_broker.ts";
import { createTopic, produce, withAdmin } from "../support/kafka_topics.ts";
import { startPostgres } from "../support/postgres.ts";
import { type Child, tidemark } from "../support/process.ts";
import { until } from "../support/wait.ts";

const TOPIC = "guarded", GROUP = "guarded-group";
const { READ, DESCRIBE } = AclOperationTypes;

Deno.test({
  name: "rights that the broker's ACLs do not give are named, and used once they are given",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using broker = await startBroker({
      secure: true,
      properties: {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        // The plain listener, where the tests' own clients connect, knows no users.
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
      },
    });
    await using database = await startPostgres();
    await using stack = new AsyncDisposableStack();
    await createTopic(broker, TOPIC);
    await produce(broker, TOPIC, [{
      value: JSON.stringify({ event_time: "2026-01-31T00:00:00Z", host: "a.test", ip: "8.8.8.8" }),
    }]);
    const grant = async (resourceType: AclResourceTypes, resourceName: string, operation: AclOperationTypes) => {
      const acl = { resourceType, resourceName, operation, permissionType: AclPermissionTypes.ALLOW };
      const principal = `User:${broker.secure!.username}`;
      await withAdmin(
        broker,
        (admin) =>
          admin.createAcls({
            acl: [{ ...acl, principal, host: "*", resourcePatternType: ResourcePatternTypes.LITERAL }],
          }),
      );
    };
    const { saslUrl, username, password } = broker.secure!;
    const folder = await Deno.makeTempDir({ prefix: "tidemark-rights-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const env = {
      KAFKA_URL: saslUrl,
      KAFKA_TOPIC: TOPIC,
      KAFKA_GROUP: GROUP,
      KAFKA_SASL_MECHANISM: "scram-sha-512",
      KAFKA_SASL_USERNAME: username,
      KAFKA_SASL_PASSWORD: password,
      POSTGRES_URL: database.url,
      HTTP_PORT: "0",
      LOG_FORMAT: "json",
    };
    const service: Child = stack.use(tidemark(["run"], { env: { ...env, DATA_DIR: `${folder}/service` } }));
    const url = JSON.parse(await service.waitForLine(/"listening"/, 60_000)).url as string;
    const reasons = async () => {
      const { reasons } = await (await fetch(`${url}/readyz`)).json();
      return reasons as { code: string; reason: string; action?: string }[];
    };
    const refusedAs = (text: RegExp) =>
      until(
        () => `readiness names ${text}\n${service.lines.slice(-5).join("\n")}`,
        async () => (await reasons()).some(({ code, reason }) => code === "kafka_rights" && text.test(reason)),
        { limitMs: 60_000, everyMs: 200 },
      );
    const command = async (args: readonly string[]) => {
      await using child = tidemark(args, { env: { ...env, DATA_DIR: `${folder}/command` } });
      return await child.exit();
    };
    const doctor = async () => {
      const { stdout } = await command(["doctor", "--json"]);
      const { findings } = JSON.parse(stdout) as {
        findings: { check: string; status: string; detail: string; action: string | null }[];
      };
      return (check: string) => findings.find((finding) => finding.check === check);
    };

    await t.step("DESCRIBE on the topic", async () => {
      await refusedAs(/topic "guarded"/);
      const broker = (await doctor())("broker");
      assertEquals(broker?.status, "fail");
      assertMatch(`${broker?.detail} ${broker?.action}`, /topic "guarded".*READ and DESCRIBE/);
      const once = await command(["run", "--once", "--wait", "3s"]);
      assertNotEquals(once.code, 0);
      assertStringIncludes(once.stderr, "kafka_rights");
    });

    await t.step("READ on the group", async () => {
      await grant(AclResourceTypes.TOPIC, TOPIC, DESCRIBE);
      await refusedAs(/consumer group "guarded-group"/);
      const group = (await doctor())("group");
      assertEquals(group?.status, "fail");
      assertMatch(`${group?.detail} ${group?.action}`, /consumer group "guarded-group".*READ on the group/);
      const once = await command(["run", "--once", "--wait", "3s"]);
      assertNotEquals(once.code, 0);
      assertStringIncludes(once.stderr, "kafka_rights");
    });

    await t.step("READ on the topic", async () => {
      await grant(AclResourceTypes.GROUP, GROUP, READ);
      await refusedAs(/topic "guarded"/);
      const sample = (await doctor())("topic_sample");
      assertEquals(sample?.status, "fail");
      assertMatch(`${sample?.detail} ${sample?.action}`, /READ/);
    });

    await t.step("with all of them the same process reads on", async () => {
      await grant(AclResourceTypes.TOPIC, TOPIC, READ);
      await until("ready", async () => (await fetch(`${url}/readyz`)).ok, { limitMs: 60_000, everyMs: 200 });
      await until("the record is counted", async () => {
        const { stream } = await (await fetch(`${url}/v1/ledger`)).json();
        return stream.counted === 1;
      }, { limitMs: 60_000, everyMs: 200 });
      service.signal("SIGTERM");
      assertEquals((await service.exit()).code, 0);
      // Nothing says that DESCRIBE_CONFIGS is needed: retention is just not judged.
      assertEquals((await doctor())("kafka_rights")?.status, "skip");
    });
  },
});
