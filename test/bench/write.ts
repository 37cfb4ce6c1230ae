import { spawnSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { goalsTable } from "./goals.ts";
import { replaceBetweenMarkers } from "./markers.ts";
import { ROOT } from "./peers.ts";
import { barChart } from "./plot.ts";
import type { Report } from "./report.ts";
import { performanceBlocks, readmeTable } from "./tables.ts";

/** Where charts are. */
export const PLOTS = "docs/bench";

/** Charts of a report, by file name. */
export function chartsOf(report: Report): ReadonlyMap<string, string> {
  return new Map([
    ["generation.svg", barChart(report, "tg64", "Generating 64 tokens, tokens per second")],
    ["prompt.svg", barChart(report, "pp128", "A prompt of 128 tokens, tokens per second")],
  ]);
}

/** Put a report's tables into PERFORMANCE.md and README.md and its charts into docs/bench; gives the files. */
export async function writeDocuments(report: Report): Promise<readonly string[]> {
  const blocks = new Map([...performanceBlocks(report), ["goals", goalsTable(report)]]);
  const readme = new Map([["readme", readmeTable(report)]]);
  await writeBlocks("PERFORMANCE.md", blocks);
  await writeBlocks("README.md", readme);
  await mkdir(path.join(ROOT, PLOTS), { recursive: true });
  const charts = chartsOf(report);
  for (const [name, svg] of charts) await writeFile(path.join(ROOT, PLOTS, name), svg);
  return ["PERFORMANCE.md", "README.md", ...[...charts.keys()].map((name) => `${PLOTS}/${name}`)];
}

/** Put texts between the markers of their names in a document of this project. */
export async function writeBlocks(
  file: string,
  blocks: ReadonlyMap<string, string>,
): Promise<void> {
  const target = path.join(ROOT, file);
  let document = await readFile(target, "utf8");
  for (const [name, text] of blocks) document = replaceBetweenMarkers(document, name, text);
  await writeFile(target, document);
  // The formatter is the only authority on layout, on that of tables too.
  const oxfmt = path.join(ROOT, "node_modules/.bin/oxfmt");
  spawnSync(oxfmt, [file], { cwd: ROOT, stdio: "ignore" });
}
