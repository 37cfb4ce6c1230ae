import { svgText as text } from "../plot.ts";

/** Times to the first token of one replay. */
export interface Curve {
  readonly label: string;
  /** Milliseconds, ascending. */
  readonly firstMs: readonly number[];
}

/** Replays of one trace. */
export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

/** Sizes in pixels. */
const WIDTH = 760;
const PANEL = 230;
const LEFT = 60;
const RIGHT = 150;
const TOP = 40;
const PLOT_HEIGHT = 160;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;

/** From a tenth of a millisecond to ten seconds. */
const FIRST_DECADE = -1;
const DECADES = 5;

const COLOURS: readonly string[] = ["#4a5568", "#d69e2e", "#b3541e"];

/** The share of requests that had their first token within a time, a panel for each trace; time grows tenfold. */
export function shareChart(panels: readonly Panel[], caption: string): string {
  const height = TOP + panels.length * PANEL + 20;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#1a202c">`,
    "<title>Share of requests with a first token within a time</title>",
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(
      8,
      24,
      "Share of requests with a first token within a time",
      `font-size="16" font-weight="600"`,
    ),
    ...panels.map((panel, i) => draw(panel, TOP + i * PANEL)),
    text(8, height - 8, caption, `font-size="11" fill="#4a5568"`),
    "</svg>",
    "",
  ].join("\n");
}

function xOf(ms: number): number {
  const decade = Math.log10(Math.max(ms, 10 ** FIRST_DECADE)) - FIRST_DECADE;
  return LEFT + (Math.min(decade, DECADES) / DECADES) * PLOT_WIDTH;
}

function draw({ title, curves }: Panel, top: number): string {
  const base = top + 24 + PLOT_HEIGHT;
  const grid = Array.from({ length: DECADES + 1 }, (_, i) => {
    const ms = 10 ** (FIRST_DECADE + i);
    const x = xOf(ms).toFixed(1);
    return `<path d="M${x} ${base}V${base - PLOT_HEIGHT}" stroke="#e2e8f0"/>${text(Number(x), base + 16, ms < 1000 ? `${ms} ms` : `${ms / 1000} s`, `text-anchor="middle" fill="#4a5568"`)}`;
  });
  const shares = [0, 0.5, 1].map((share) => {
    const y = base - share * PLOT_HEIGHT;
    return `<path d="M${LEFT} ${y}H${LEFT + PLOT_WIDTH}" stroke="#e2e8f0"/>${text(LEFT - 6, y + 4, `${share * 100} %`, `text-anchor="end" fill="#4a5568"`)}`;
  });
  const lines = curves.map(({ label, firstMs }, i) => {
    const colour = COLOURS[i % COLOURS.length]!;
    const steps = firstMs.map((ms, j) => {
      const y = base - ((j + 1) / firstMs.length) * PLOT_HEIGHT;
      return `H${xOf(ms).toFixed(1)}V${y.toFixed(1)}`;
    });
    const name = text(LEFT + PLOT_WIDTH + 28, top + 40 + 20 * i, label, "");
    return `<path d="M${LEFT} ${base}${steps.join("")}" stroke="${colour}" fill="none" stroke-width="1.5"/><rect x="${LEFT + PLOT_WIDTH + 10}" y="${top + 30 + 20 * i}" width="12" height="12" fill="${colour}"/>${name}`;
  });
  return [text(LEFT, top + 14, title, `font-weight="600"`), ...grid, ...shares, ...lines].join(
    "\n",
  );
}
