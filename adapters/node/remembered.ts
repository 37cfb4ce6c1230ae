import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/*
 * What was found out once and can be found out again: files in the user's cache folder. One that cannot be read or
 * written costs time and nothing else.
 */

/** What is remembered under a name; empty where nothing is. */
export async function recall(folder: string, name: string): Promise<string> {
  return await readFile(join(cacheFolder(folder), name), "utf8").catch(() => "");
}

/** Remember a text: written aside and renamed, so that a reader never sees half of it. */
export async function remember(folder: string, name: string, text: string): Promise<void> {
  try {
    await mkdir(cacheFolder(folder), { recursive: true });
    const entry = join(cacheFolder(folder), name);
    const aside = `${entry}.${process.pid}`;
    await writeFile(aside, text);
    await rename(aside, entry);
  } catch {
    // It is found out again.
  }
}

function cacheFolder(folder: string): string {
  const { env } = process;
  const base =
    process.platform === "win32"
      ? (env["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local"))
      : process.platform === "darwin"
        ? join(homedir(), "Library", "Caches")
        : (env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"));
  return join(base, "sirocco", folder);
}
