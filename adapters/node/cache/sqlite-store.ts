import type * as Sqlite from "node:sqlite";
import { RuntimeError } from "../../../core/errors.ts";
import type { CacheStore } from "../../../core/cache/store.ts";

/** How to keep answers in a file. */
export interface SqliteStoreOptions {
  /** The database's file; it is made where there is none. */
  readonly path: string;
  /** Bytes of answers; beyond them those leave whose time is over first. */
  readonly maxBytes: number;
  /** Milliseconds since 1970. */
  readonly wallClock?: () => number;
}

/** A writer waits so long for another process's write; a read never waits in WAL mode. */
const BUSY_MS = 50;

/** When there is too much, this share of the room is freed at once, so that not every put has to. */
const HEADROOM = 0.1;

/**
 * A store in an SQLite file, for one machine's processes: `node:sqlite`, which Node has from 22.13 on, and
 * Bun and Deno have as well. Calls are synchronous underneath and take tens of microseconds. It survives a
 * process that is killed (WAL); after a power cut the last answers may be missing, and nobody minds.
 * Rejects with `INSUFFICIENT_RESOURCES` where the runtime has no SQLite or the file cannot be opened.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<CacheStore> {
  const { path, maxBytes, wallClock = Date.now } = options;
  const database = await openDatabase(path);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA busy_timeout = ${BUSY_MS};
    CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, bytes BLOB NOT NULL, until INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS answers_until ON answers (until);
  `);
  const select = database.prepare("SELECT bytes FROM answers WHERE key = ? AND until > ?");
  const insert = database.prepare(
    "INSERT OR REPLACE INTO answers (key, bytes, until) VALUES (?, ?, ?)",
  );
  const remove = database.prepare("DELETE FROM answers WHERE key = ?");
  const expire = database.prepare("DELETE FROM answers WHERE until <= ?");
  const sum = database.prepare("SELECT COALESCE(SUM(LENGTH(bytes)), 0) AS bytes FROM answers");
  // The k answers whose time is over first, until enough bytes are freed.
  const evict = database.prepare(`
    DELETE FROM answers WHERE key IN (
      SELECT key FROM (
        SELECT key, SUM(LENGTH(bytes)) OVER (ORDER BY until, key) - LENGTH(bytes) AS before FROM answers
      ) WHERE before < ?
    )`);
  const total = (): number => Number(sum.get()?.["bytes"] ?? 0);
  /** An upper bound: replaced and expired answers are still counted until the next look. */
  let held = total();

  function makeRoom(): void {
    expire.run(wallClock());
    held = total();
    if (held <= maxBytes) return;
    evict.run(held - maxBytes * (1 - HEADROOM));
    held = total();
  }

  return {
    name: "sqlite",
    async get(key) {
      const bytes = select.get(key, wallClock())?.["bytes"];
      return bytes instanceof Uint8Array ? bytes : undefined;
    },
    async put(key, bytes, ttlMs) {
      if (bytes.byteLength > maxBytes) return;
      insert.run(key, bytes, Math.round(wallClock() + ttlMs));
      held += bytes.byteLength;
      if (held > maxBytes) makeRoom();
    },
    async delete(key) {
      remove.run(key);
    },
    async close() {
      database.close();
    },
  };
}

async function openDatabase(path: string): Promise<Sqlite.DatabaseSync> {
  let sqlite: typeof Sqlite;
  try {
    sqlite = await import("node:sqlite");
  } catch (cause) {
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      "Cannot keep answers in a file: this runtime has no node:sqlite. Use Node 22.13 or newer, Bun or Deno, or another store",
      { cause },
    );
  }
  try {
    return new sqlite.DatabaseSync(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RuntimeError("INSUFFICIENT_RESOURCES", `Cannot open the cache at ${path}: ${why}`, {
      cause,
    });
  }
}
