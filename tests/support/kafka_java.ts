// How Java runs Kafka here: its class path, flags for programs that run for a minute, and the archive of loaded classes. Reads that file, runs `java`.
import { exists, kafkaClassPath, kafkaFolder, type KafkaVersion } from "./kafka_jars.ts";

/** Arguments of `java` before the main class. */
export async function kafkaJava(version: KafkaVersion): Promise<readonly string[]> {
  const archive = await classArchivePath(version);
  return [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ...(await exists(archive) ? [`-XX:SharedArchiveFile=${archive}`] : []),
    "-cp",
    await kafkaClassPath(version),
  ];
}

/**
 * Path of the archive of a broker's loaded classes (`-XX:ArchiveClassesAtExit`). With it a broker starts with a third less work. It fits one
 * Java and one class path; the JVM ignores an archive that does not fit.
 */
export async function classArchivePath(version: KafkaVersion): Promise<string> {
  const text = new TextEncoder().encode(`${await javaVersion()}\n${await kafkaClassPath(version)}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return `${kafkaFolder(version)}/classes-${digest.toHex().slice(0, 16)}.jsa`;
}

let version: Promise<string> | undefined;

/** What `java -version` prints; empty if Java is missing, which the start of a broker then reports. */
function javaVersion(): Promise<string> {
  return version ??= new Deno.Command("java", { args: ["-version"], stdout: "null", stderr: "piped" }).output()
    .then(({ stderr }) => new TextDecoder().decode(stderr), () => "");
}
