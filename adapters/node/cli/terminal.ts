/** What the commands write to: text for people and programs, without surprises from a model. */

/**
 * Text of a model with what would steer a terminal taken out: escape sequences start with ESC or with a
 * C1 control, carriage returns and backspaces rewrite lines, and bidirectional overrides make text read
 * differently from what it is. Tabs and line feeds stay.
 */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/g, "");
}

/** Write to stdout; resolves when there is room for more, so that a slow reader slows generation. */
export function print(text: string): Promise<void> {
  return new Promise((resolve) => {
    if (process.stdout.write(text)) resolve();
    else process.stdout.once("drain", resolve);
  });
}

/** Write a line to stdout. */
export function printLine(text: string): Promise<void> {
  return print(`${text}\n`);
}

/** A line of JSON on stdout, for programs. */
export function printJson(value: unknown): Promise<void> {
  return printLine(JSON.stringify(value));
}

/** A line for people, on stderr so that it never mixes with the output. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

let waiting: string[] = [];

/**
 * A line for the log, on stderr: all those of one turn of the event loop are written at once, as writing
 * to a terminal or a pipe holds everything up.
 */
export function logLine(text: string): void {
  if (waiting.length === 0) setImmediate(writeLog);
  waiting.push(text);
}

function writeLog(): void {
  if (waiting.length === 0) return;
  const lines = waiting.join("\n");
  waiting = [];
  note(lines);
}

// Nothing is lost when the process ends by itself.
process.on("exit", writeLog);

/** Say so where fewer threads compute than were asked for. */
export function noteThreads(asked: number, got: number): void {
  if (asked > got) note(`sirocco: ${asked} threads asked for, this backend runs ${got}`);
}

/** Rows as columns of equal width; columns named in `right` are aligned right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => {
          const width = widths[i] ?? 0;
          return right.includes(i) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Bytes for people: `4.6 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? "B"}`;
}

/** Shows how far something is. */
export interface Progress {
  update(done: number, total: number): void;
  /** Take the bar away. */
  end(): void;
}

/** A bar shows up only when the work takes longer than a glance. */
const PATIENCE_MS = 400;
const REDRAW_MS = 80;
const BAR_CELLS = 24;

/**
 * A bar on stderr, where that is a terminal and somebody watches; otherwise nothing. `describe` says how
 * far it is in words, as bytes unless given.
 */
export function createProgress(
  label: string,
  describe: (done: number, total: number) => string = (done, total) =>
    `${formatBytes(done)} of ${formatBytes(total)}`,
): Progress {
  if (!process.stderr.isTTY) return { update: () => {}, end: () => {} };
  const started = performance.now();
  let drawn = 0;
  return {
    update(done, total) {
      const now = performance.now();
      if (now - started < PATIENCE_MS || now - drawn < REDRAW_MS || total <= 0) return;
      drawn = now;
      const filled = Math.round((BAR_CELLS * done) / total);
      const bar = "█".repeat(filled) + "░".repeat(BAR_CELLS - filled);
      process.stderr.write(`\r\u001B[2K${label} ${bar} ${describe(done, total)}`);
    },
    end() {
      if (drawn > 0) process.stderr.write("\r\u001B[2K");
      drawn = 0;
    },
  };
}

/**
 * Leave quietly when whoever reads our output has gone, as in `sirocco show model.gguf | head`.
 * 141 is what a shell reports for a command that SIGPIPE ended.
 */
export function leaveWhenUnread(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(141);
      throw error;
    });
  }
}
