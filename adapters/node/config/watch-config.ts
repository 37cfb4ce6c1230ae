import { watch, type FSWatcher } from "node:fs";
import { dirname } from "node:path";
import type { ConfigFile } from "./schema.ts";
import { readConfigFile } from "./read-config.ts";

/** Editors and orchestrators write a file in several steps; this long after the last it is read. */
const QUIET_MS = 100;

/** What is told of a file that has changed. */
export interface ConfigListener {
  /** It is valid and differs from what was known. */
  changed(config: ConfigFile): Promise<void>;
  /** It cannot be used; what was known stays in force. */
  refused(error: Error): void;
}

/**
 * Read a configuration again whenever it changes, and on SIGHUP. The folder is watched and not the file,
 * because most programs that write a file put another one in its place. The returned function ends it.
 */
export function watchConfig(path: string, known: ConfigFile, listener: ConfigListener): () => void {
  let last = JSON.stringify(known);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const read = async (): Promise<void> => {
    try {
      const config = await readConfigFile(path);
      const text = JSON.stringify(config);
      if (text === last) return;
      last = text;
      await listener.changed(config);
    } catch (error) {
      listener.refused(error instanceof Error ? error : new Error(String(error)));
    }
  };
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void read(), QUIET_MS);
  };
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), { persistent: false }, soon);
    // Where watching fails later on, SIGHUP still works.
    watcher.on("error", () => watcher?.close());
  } catch {
    watcher = undefined;
  }
  process.on("SIGHUP", soon);
  return () => {
    clearTimeout(timer);
    watcher?.close();
    process.removeListener("SIGHUP", soon);
  };
}
