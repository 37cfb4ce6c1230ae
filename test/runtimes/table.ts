import type { Findings } from "./environment.ts";

const BEGIN = "<!-- runtimes: written by test/runtimes -->";
const END = "<!-- /runtimes -->";

/** What each runtime found, as a Markdown table: `yes` where it is what the first found. */
export function toTable(found: ReadonlyMap<string, Findings>): string {
  const [expected = {}] = found.values();
  const rows = Object.entries(expected).map(([name, finding]) => {
    const cells = [...found.values()].map((findings) =>
      JSON.stringify(findings[name]) === JSON.stringify(finding) ? "yes" : "no",
    );
    return [name].concat(cells);
  });
  const head = ["", ...found.keys()];
  const widths = head.map((title, i) =>
    Math.max(3, title.length, ...rows.map((row) => row[i]!.length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

/** The table in a text, without the rows of models that were not here to be run. */
export function tableOf(text: string, absent: readonly string[]): string {
  const [, table] = parts(text);
  const lines = table.trim().split("\n");
  return lines.filter((line) => !absent.some((model) => line.startsWith(`| ${model},`))).join("\n");
}

/** The text with another table. */
export function withTable(text: string, table: string): string {
  const [before, , after] = parts(text);
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`;
}

/** Before the table, the table, and after it. Throws where the marks are not there. */
function parts(text: string): readonly [string, string, string] {
  const [before, rest] = text.split(BEGIN);
  const [table, after] = rest?.split(END) ?? [];
  if (before === undefined || table === undefined || after === undefined)
    throw new Error(`Cannot find ${BEGIN}`);
  return [before, table, after];
}
