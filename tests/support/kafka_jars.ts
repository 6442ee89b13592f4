// Finds the jars of a Kafka release in the user's cache, or fetches them once with Maven. Reads and writes that folder, runs `mvn`.

/** Kafka releases that the integration tests run against; the first is the default. */
export const KAFKA_VERSIONS = ["4.1.0", "3.9.1"] as const;
export type KafkaVersion = typeof KAFKA_VERSIONS[number];

/** Printed if a broker cannot be started: what to do, in one line. */
export const KAFKA_INSTALL_HINT =
  "install Java 17 and Maven (Debian: apt-get install openjdk-17-jre-headless maven), or set KAFKA_TEST_URL=host:port of a broker that may be filled";

/**
 * The class path of one release; `onFetch` is called before it is fetched. The simple logger comes first; the second logger that 3.9 brings is left out.
 *
 * @throws Error with {@link KAFKA_INSTALL_HINT} if jars are missing and cannot be fetched
 */
export async function kafkaClassPath(version: KafkaVersion, onFetch?: () => void): Promise<string> {
  const folder = kafkaFolder(version);
  const marker = `${folder}/lib/kafka_2.13-${version}.jar`;
  if (!await exists(marker)) {
    onFetch?.();
    await fetchJars(version, folder);
  }
  const jars: string[] = [];
  for await (const entry of Deno.readDir(`${folder}/lib`)) {
    if (entry.name.endsWith(".jar") && !entry.name.startsWith("slf4j-reload4j")) {
      jars.push(`${folder}/lib/${entry.name}`);
    }
  }
  const rank = (path: string) => path.includes("/slf4j-simple") ? 0 : 1;
  return jars.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1)).join(":");
}

/** The folder for the files of one release. */
export const kafkaFolder = (version: KafkaVersion): string => `${cacheFolder()}/tidemark/kafka/${version}`;

function cacheFolder(): string {
  const folder = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? ""}/.cache`;
  if (!folder.startsWith("/")) throw new Error("Cannot find a cache folder: set HOME or XDG_CACHE_HOME");
  return folder;
}

/** Whether there is a file or folder of that name. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function fetchJars(version: KafkaVersion, folder: string): Promise<void> {
  const dependency = (group: string, artifact: string, v: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${v}</version></dependency>`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/pom.xml`,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tidemark</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging><dependencies>
${dependency("org.apache.kafka", "kafka_2.13", version)}
${dependency("org.apache.kafka", "kafka-tools", version)}
${dependency("org.slf4j", "slf4j-simple", "1.7.36")}
</dependencies></project>
`,
  );
  const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command("mvn", {
      args: ["-q", "-B", goal, "-DincludeScope=runtime", "-DoutputDirectory=lib"],
      cwd: folder,
      stdout: "piped",
      stderr: "piped",
    }).output();
  } catch (cause) {
    throw new Error(`Cannot run Maven to fetch Kafka ${version}: ${KAFKA_INSTALL_HINT}`, { cause });
  }
  if (!output.success) {
    const text = new TextDecoder().decode(output.stdout).slice(-2000);
    throw new Error(`Maven could not fetch Kafka ${version}: ${KAFKA_INSTALL_HINT}\n${text}`);
  }
}
