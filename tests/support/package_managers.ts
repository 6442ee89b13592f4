// By which package a package manager brings what the tests need, and the line that installs it. Pure.

/** A thing that the machine must have for the integration tests. */
export type Need = "java" | "maven" | "postgres" | "chromium" | "ps" | "pgbouncer" | "systemd" | "zsh" | "fish";

/** A package manager that set-up can call. */
export interface PackageManager {
  readonly command: string;
  /** Brings the list of packages up to date; undefined where installing does that. */
  readonly refresh: readonly string[] | undefined;
  /** Before the packages' names; asks nothing. */
  readonly install: readonly string[];
  /** Whether only root may install. */
  readonly root: boolean;
  readonly packages: Readonly<Record<Need, string>>;
}

/** Looked for in this order. */
export const PACKAGE_MANAGERS: readonly PackageManager[] = [
  {
    command: "apt-get",
    refresh: ["update", "-q"],
    install: ["install", "-qy", "--no-install-recommends"],
    root: true,
    packages: {
      java: "default-jre-headless",
      maven: "maven",
      postgres: "postgresql",
      chromium: "chromium",
      ps: "procps",
      pgbouncer: "pgbouncer",
      systemd: "systemd",
      zsh: "zsh",
      fish: "fish",
    },
  },
  {
    command: "dnf",
    refresh: undefined,
    install: ["install", "-y"],
    root: true,
    packages: {
      java: "java-latest-openjdk-headless",
      maven: "maven",
      postgres: "postgresql-server",
      chromium: "chromium",
      ps: "procps-ng",
      pgbouncer: "pgbouncer",
      systemd: "systemd",
      zsh: "zsh",
      fish: "fish",
    },
  },
  {
    command: "apk",
    refresh: undefined,
    install: ["add", "--no-cache"],
    root: true,
    packages: {
      java: "openjdk17-jre-headless",
      maven: "maven",
      postgres: "postgresql",
      chromium: "chromium",
      ps: "procps",
      pgbouncer: "pgbouncer",
      systemd: "systemd",
      zsh: "zsh",
      fish: "fish",
    },
  },
  {
    command: "brew",
    refresh: undefined,
    install: ["install"],
    root: false,
    packages: {
      java: "openjdk@17",
      maven: "maven",
      postgres: "postgresql@17",
      chromium: "chromium",
      ps: "procps",
      pgbouncer: "pgbouncer",
      systemd: "systemd",
      zsh: "zsh",
      fish: "fish",
    },
  },
];

/** Who may call a package manager, in words of `sudo`: as it is, through `sudo -n`, or not at all. */
export type Right = "direct" | "sudo" | "none";

/** The arguments of one call, the program first. */
export function commandLine(manager: PackageManager, right: Right, args: readonly string[]): string[] {
  return [...(right === "sudo" ? ["sudo", "-n"] : []), manager.command, ...args];
}

/** The line by which a person installs `needs`; where no manager is known, Debian's. */
export function installLine(manager: PackageManager | undefined, needs: readonly Need[]): string {
  const { command, install, packages, root } = manager ?? PACKAGE_MANAGERS[0]!;
  const names = needs.map((need) => packages[need]).join(" ");
  return `${root ? "sudo " : ""}${command} ${install[0]} ${names}`;
}
