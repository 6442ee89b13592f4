// Lists files below a folder, for tests that read the sources.

/** Paths relative to `folder` (a URL that ends in a slash), depth first. */
export async function* walkFiles(folder: URL, prefix = ""): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(prefix, folder))) {
    const path = prefix + entry.name;
    if (entry.isDirectory) yield* walkFiles(folder, `${path}/`);
    else if (entry.isFile) yield path;
  }
}
