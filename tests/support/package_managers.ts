// The packages that bring what the tests need, by package manager, and the line that installs them. Pure.

/** Something that the integration tests need on the machine. */
export type Need = "java" | "maven" | "postgres" | "chromium" | "ps" | "pgbouncer" | "systemd" | "zsh" | "fish";

/** A package manager that set-up can call. */
export interface PackageManager {
  readonly command: string;
  /** Updates the list of packages; undefined if installing does that. */
  readonly refresh: readonly string[] | undefined;
  /** The command before the packages' names; it does not ask questions. */
  readonly install: readonly string[];
  /** Whether only root may install. */
  readonly root: boolean;
  readonly packages: Readonly<Record<Need, string>>;
}

/** All managers; the first that is found is used. */
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

/** How a package manager can be called: directly, through `sudo -n`, or not at all. */
export type Right = "direct" | "sudo" | "none";

/** The arguments of one call, the program first. */
export function commandLine(manager: PackageManager, right: Right, args: readonly string[]): string[] {
  return [...(right === "sudo" ? ["sudo", "-n"] : []), manager.command, ...args];
}

/** The line that installs `needs`, for a person to type; Debian's if no manager is known. */
export function installLine(manager: PackageManager | undefined, needs: readonly Need[]): string {
  const { command, install, packages, root } = manager ?? PACKAGE_MANAGERS[0]!;
  const names = needs.map((need) => packages[need]).join(" ");
  return `${root ? "sudo " : ""}${command} ${install[0]} ${names}`;
}
