import { expect, test } from "vitest";
import { goalsTable } from "./goals.ts";
import { replaceBetweenMarkers } from "./markers.ts";
import { parseOptions } from "./options.ts";
import { planRun } from "./plan.ts";
import { barChart } from "./plot.ts";
import { readRate, rowsOf, type Report, type Sample } from "./report.ts";
import { digits, spreadOf } from "./statistics.ts";
import { performanceBlocks, readmeTable } from "./tables.ts";

const MODEL = {
  key: "q4_0",
  label: "A <model> & more",
  weightBytes: 80_000_000,
  bytesPerToken: 50_000_000,
};

function sample(peer: string, name: string, value: number, rest: Partial<Sample> = {}): Sample {
  const plain = { label: peer, model: "q4_0", threads: 1, ran: 1, busy: false, round: 0 };
  return { ...plain, peer, test: name, value, ...rest };
}

function report(samples: readonly Sample[]): Report {
  return {
    date: "2026-01-02T03:04:05.000Z",
    commit: "abc1234",
    command: "npm run bench",
    machine: { cpu: "A CPU", cores: 2, system: "Linux 6", vectors: ["avx2"] },
    node: "24.0.0",
    rounds: 3,
    loadBefore: 0.25,
    bandwidth: { before: { 1: 10, 2: 18 }, after: { 1: 8, 2: 20 } },
    models: [MODEL],
    missing: ["wllama: no Chromium"],
    samples,
  };
}

test("spreadOf takes the middle value, or the mean of the two in the middle", () => {
  expect(spreadOf([5, 1, 3])).toEqual({ median: 3, least: 1, greatest: 5, count: 3 });
  expect(spreadOf([4, 1, 3, 10]).median).toBe(3.5);
  expect(() => spreadOf([])).toThrow(RangeError);
});

test("digits keeps decimals only where they count", () => {
  expect([1234.4, 100, 99.96, 1.25, 0.128].map(digits)).toEqual([
    "1234",
    "100",
    "100.0",
    "1.3",
    "0.13",
  ]);
});

test("rowsOf joins rounds, and keeps peers, threads and loaded cores apart", () => {
  const rows = rowsOf([
    sample("node", "tg64", 100),
    sample("node", "tg64", 300, { round: 1 }),
    sample("node", "tg64", 50, { busy: true }),
    sample("node", "tg64", 70, { threads: 2 }),
    sample("llama", "tg64", 80),
  ]);
  expect(rows.map((row) => row.median)).toEqual([200, 50, 70, 80]);
  expect(rows[0]).toMatchObject({ least: 100, greatest: 300, count: 2 });
});

test("readRate counts one reading of the weights for sequences that share a step, and none for prompts", () => {
  const [one, eight, prompt] = rowsOf([
    sample("node", "tg64", 100),
    sample("node", "tg64x8", 400),
    sample("node", "pp128", 400),
  ]);
  expect(readRate(one!, MODEL)).toBeCloseTo(5);
  expect(readRate(eight!, MODEL)).toBeCloseTo(2.5);
  expect(readRate(prompt!, MODEL)).toBeUndefined();
});

test("the speed table gives median, extremes, the share of native and of the greater bandwidth", () => {
  const blocks = performanceBlocks(
    report([
      ...[90, 100, 110].map((value, round) => sample("node", "tg64", value, { round })),
      sample("llama", "tg64", 80),
      sample("node", "tg64", 60, { threads: 2 }),
    ]),
  );
  const table = blocks.get("speed");
  expect(table).toContain("| node | 1 | 100 (90.0–110), 125 % | 5.0, 50 % |");
  expect(table).toContain("| llama | 1 | 80.0 | 4.0, 40 % |");
  expect(table).toContain("| node | 2 (ran 1) | 60.0 | 3.0, 30 % |");
  expect(blocks.get("machine")).toContain("wllama: no Chromium");
});

test("the table of starts sets the peak against weights and cache", () => {
  const blocks = performanceBlocks(
    report([
      sample("node", "start", 250, { kvBytes: 20_000_000 }),
      sample("node", "rss", 150_000_000, { kvBytes: 20_000_000 }),
    ]),
  );
  expect(blocks.get("start")).toContain(
    "| A <model> & more | node | 1 | 250 (250–250) | 150 | 80 + 20 | 1.50 × |",
  );
});

test("with loaded cores two threads are set against one in the same state", () => {
  const busy = { busy: true };
  const blocks = performanceBlocks(
    report([
      sample("node", "tg64", 1000),
      sample("node", "tg64", 100, busy),
      sample("node", "tg64", 95, { ...busy, threads: 2, ran: 2 }),
    ]),
  );
  expect(blocks.get("busy")).toContain("| node | 2 | 95.0 (95.0–95.0) | 0.95 × |");
});

test("goals say yes, no, and not measured where a side is missing or fewer threads ran", () => {
  const goals = goalsTable(
    report([
      sample("node", "tg64", 100),
      sample("llama", "tg64", 100),
      sample("node", "tg64x8", 340),
      sample("node", "tg64", 200, { threads: 2, ran: 1 }),
      sample("llama", "tg64", 100, { threads: 2, ran: 2 }),
    ]),
  );
  expect(goals).toContain("| decode Q4_0 against native, 1 thread | ≥ 1 × | 1.00 × | yes |");
  expect(goals).toContain("| decode Q4_0 against native, 2 threads | ≥ 1.5 × | not measured |  |");
  expect(goals).toMatch(/8 sequences .* \| ≥ 3.5 × \| 3.40 × \| no \|/);
});

test("the README's table has one line for each measured peer", () => {
  const samples = [sample("node", "pp128", 600), sample("node", "tg64", 250)];
  const lines = readmeTable(report([...samples, sample("wllama2", "tg64", 70)])).split("\n");
  expect(lines.slice(-2)).toEqual(["| node | 600 | 250 |", "| wllama2 | – | 70.0 |"]);
});

test("bars begin at zero and are as long as their medians, and names cannot break the picture", () => {
  const svg = barChart(
    report([sample("node", "tg64", 200), sample("a<b&c", "tg64", 50)]),
    "tg64",
    "Title",
  );
  const bars = [...svg.matchAll(/<rect x="(\d+)" y="\d+" width="([\d.]+)"/g)].slice(-2);
  expect(new Set(bars.map(([, x]) => x)).size).toBe(1);
  expect(Number(bars[0]![2]) / Number(bars[1]![2])).toBeCloseTo(4, 2);
  expect(svg).toContain("a&lt;b&amp;c");
  expect(svg).not.toContain("a<b");
});

test("replaceBetweenMarkers changes nothing outside, and refuses a document without its markers", () => {
  const document = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb $& c\n";
  const changed = replaceBetweenMarkers(document, "x", "new $1\n");
  expect(changed).toBe("a\n<!-- bench:x -->\n\nnew $1\n\n<!-- /bench:x -->\nb $& c\n");
  expect(replaceBetweenMarkers(changed, "x", "new $1")).toBe(changed);
  for (const broken of [
    "none",
    "<!-- bench:x -->",
    "<!-- /bench:x --><!-- bench:x -->",
    document + document,
  ]) {
    expect(() => replaceBetweenMarkers(broken, "x", "new")).toThrow("must each be there once");
  }
});

test("planRun lets peers take turns within a round, and asks each only what it can do", () => {
  const plan = planRun({
    sections: ["speed", "start", "busy"],
    peers: ["node", "llama", "wllama2"],
    models: ["q4_0", "1b"],
    threads: [1],
    tests: ["pp512", "tg64", "tg64x8"],
    rounds: 2,
  });
  const names = plan.map(({ section, peer, model, tests }) =>
    [section, peer, model, ...tests].join(" "),
  );
  const round = [
    "speed node q4_0 pp512 tg64 tg64x8",
    "speed llama q4_0 pp512 tg64",
    "speed wllama2 q4_0 tg64",
    "speed node 1b tg64",
    "speed llama 1b tg64",
    "start node q4_0 start",
    "start llama q4_0 start",
    "start node 1b start",
    "start llama 1b start",
    "busy node q4_0 tg64",
    "busy llama q4_0 tg64",
  ];
  expect(names).toEqual([...round, ...round]);
});

test("parseOptions refuses unknown names, and --quick is one round of one model", () => {
  expect(parseOptions(["--quick"])).toMatchObject({ rounds: 1, models: ["q4_0"] });
  expect(parseOptions(["--busy"])).toMatchObject({ sections: ["busy"], rounds: 3 });
  expect(parseOptions(["--help"])).toBe("help");
  expect(() => parseOptions(["--write", "--busy"])).toThrow("a part of the measurements");
  expect(parseOptions(["--write", "--quick"])).toMatchObject({ write: true });
  expect(() => parseOptions(["--peers", "nobody"])).toThrow("choose from node, bun");
  expect(() => parseOptions(["--tests", "pp0"])).toThrow("give ppN");
  expect(() => parseOptions(["--rounds", "0"])).toThrow("whole number");
});
