import { rowsOf, type Report, type Row } from "./report.ts";
import { digits } from "./statistics.ts";

/** Sizes in pixels. */
const WIDTH = 760;
const LABELS = 250;
const VALUES = 90;
const BAR = 16;
const PITCH = 22;
const TITLE = 30;
const HEADER = 50;
const FOOTER = 30;
const PLOT = WIDTH - LABELS - VALUES;

/** Told apart by lightness too, for those who see no difference between the hues. */
const COLOURS: Readonly<Record<string, string>> = {
  sirocco: "#b3541e",
  native: "#4a5568",
  wasm: "#a0aec0",
};
/** Peers that are native code. */
const NATIVE: ReadonlySet<string> = new Set(["llama", "transformers"]);
const SIROCCO: ReadonlySet<string> = new Set(["node", "bun", "deno"]);

/**
 * Bars of one test, a panel for each model: medians from zero, with a line from the least to the greatest. Each panel has its own scale,
 * since models differ by more than peers do. One thread's bar is full, two threads' is paler.
 */
export function barChart(report: Report, test: string, title: string): string {
  const rows = rowsOf(report.samples).filter((row) => row.test === test && !row.busy);
  const panels = report.models.flatMap(({ key, label }) => {
    const own = rows.filter((row) => row.model === key);
    return own.length === 0 ? [] : [{ label, rows: own.toSorted(byPeer) }];
  });
  let y = HEADER;
  const parts: string[] = [];
  for (const panel of panels) {
    const most = Math.max(...panel.rows.map((row) => row.greatest));
    parts.push(svgText(8, y + 18, panel.label, `font-weight="600"`));
    y += TITLE;
    for (const row of panel.rows) {
      parts.push(bar(row, y, PLOT / most));
      y += PITCH;
    }
    y += 12;
  }
  const { cpu } = report.machine;
  const caption = `${cpu}, ${report.rounds > 1 ? `medians of ${report.rounds} rounds, line: least to greatest` : "one round"}; ${report.date.slice(0, 10)}, commit ${report.commit}`;
  const height = y + FOOTER;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#1a202c">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    svgText(8, 24, title, `font-size="16" font-weight="600"`),
    legend(),
    ...parts,
    svgText(8, height - 12, caption, `font-size="11" fill="#4a5568"`),
    `</svg>`,
    "",
  ].join("\n");
}

/** One thread before two; within them in the order in which peers were measured. */
function byPeer(a: Row, b: Row): number {
  return a.threads - b.threads;
}

function bar(row: Row, y: number, scale: number): string {
  const middle = y + BAR / 2;
  const width = row.median * scale;
  const [from, to] = [LABELS + row.least * scale, LABELS + row.greatest * scale];
  const ran = row.ran === row.threads ? "" : `, ran ${row.ran}`;
  const name = `${row.label}, ${row.threads} thread${row.threads === 1 ? "" : "s"}${ran}`;
  const opacity = row.threads === 1 ? 1 : 0.6;
  return [
    svgText(LABELS - 6, middle + 4, shorten(name), `text-anchor="end"`),
    `<rect x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colourOf(row.peer)}" fill-opacity="${opacity}"/>`,
    row.count < 2
      ? ""
      : `<path d="M${from.toFixed(1)} ${middle}H${to.toFixed(1)}M${from.toFixed(1)} ${middle - 4}v8M${to.toFixed(1)} ${middle - 4}v8" stroke="#1a202c" fill="none"/>`,
    svgText(Math.max(to, LABELS + width) + 6, middle + 4, digits(row.median), ""),
  ].join("\n");
}

function colourOf(peer: string): string {
  if (SIROCCO.has(peer)) return COLOURS["sirocco"] ?? "";
  return COLOURS[NATIVE.has(peer) ? "native" : "wasm"] ?? "";
}

function legend(): string {
  const entries = [
    ["sirocco", "sirocco (WebAssembly)"],
    ["native", "native code"],
    ["wasm", "other WebAssembly"],
  ] as const;
  const note = svgText(WIDTH - 8, 44, "paler: 2 threads", `text-anchor="end" fill="#4a5568"`);
  return entries
    .map(([key, label], i) => {
      const x = 8 + 170 * i;
      return `<rect x="${x}" y="34" width="12" height="12" fill="${COLOURS[key]}"/>${svgText(x + 18, 44, label, "")}`;
    })
    .concat(note)
    .join("\n");
}

/** Labels that fit: versions and packages are in the tables. */
function shorten(name: string): string {
  return name.replace(/ \((?:node-llama-cpp|onnxruntime-node|Chromium)\)/, "");
}

/** A text of an SVG, its characters escaped. */
export function svgText(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${escape(content)}</text>`;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
