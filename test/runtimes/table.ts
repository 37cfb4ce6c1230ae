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

/** The text with `table` between the marks. Throws where the marks are not there. */
export function withTable(text: string, table: string): string {
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`Cannot find ${BEGIN}`);
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`;
}
