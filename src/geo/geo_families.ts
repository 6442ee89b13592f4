// Assigns database files to address families. Shell: opens them.
import { UsageError } from "../shared/errors.ts";
import { type MmdbFile, openMmdb } from "./mmdb/file.ts";

/**
 * Opens one file for both families, or two files. Of two, the IPv4 file answers for IPv4; the other is deferred.
 * @throws {UsageError} `bad_geo_file`.
 */
export async function openFamilies(
  paths: readonly string[],
  options: { readonly onBroken?: (error: UsageError) => void; readonly shared?: boolean } = {},
): Promise<{ readonly v4: MmdbFile | null; readonly v6: MmdbFile | null }> {
  if (paths.length > 2) throw wrongFamilies("more than two files");
  const opened: MmdbFile[] = [];
  try {
    // Other threads need the whole file.
    const { shared = false, onBroken } = options;
    for (const path of paths) {
      opened.push(await openMmdb(path, { deferV6: paths.length === 2 && !shared, onBroken, shared }));
    }
    if (opened.length === 1) {
      const only = opened[0]!;
      return { v4: only.facts.v4 ? only : null, v6: only.ipVersion === 6 ? only : null };
    }
    const v4 = opened.find((file) => file.ipVersion === 4);
    const v6 = opened.find((file) => file.ipVersion === 6);
    if (!v4 || !v6) throw wrongFamilies(`two files of IP version ${opened[0]!.ipVersion}`);
    return { v4, v6 };
  } catch (error) {
    for (const file of opened) file.close();
    throw error;
  }
}

function wrongFamilies(what: string): UsageError {
  return new UsageError(
    [`Cannot use these address databases together: ${what}.`],
    "Give one file for both families, or one for IPv4 and one for IPv6, separated by a comma in GEO_DATABASE.",
    "bad_geo_file",
  );
}
