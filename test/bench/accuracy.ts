/**
 * `npm run bench:accuracy`: what int8 activations and the types of the cache cost in perplexity. The reference is the same weights as f32
 * on the same kernels, which take f32 activations then; that these kernels are right is checked against the reference backend first.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { openHeader } from "../../adapters/node/header.ts";
import { quantMix } from "../../adapters/node/quant-mix.ts";
import { KV_TYPES, type KvType } from "../../core/tensor/kv-type.ts";
import { setup } from "../peers/setup.ts";
import { exactWeights } from "./accuracy/exact-weights.ts";
import { compare, type Comparison } from "./accuracy/paired.ts";
import { accuracyBlock, type AccuracyReport, type AccuracyRow } from "./accuracy/report.ts";
import { checkExact } from "./accuracy/check-exact.ts";
import { logLikelihoods, type Judged } from "./accuracy/score.ts";
import { judgedText } from "./accuracy/text.ts";
import { describeCommit } from "./machine.ts";
import { smollm2File } from "./models.ts";
import { ROOT } from "./peers.ts";
import { writeBlocks } from "./write.ts";

/** Between them they hold every type that is read, but f32, which only norms have, and those with tables (IQ4, MXFP4). */
const KINDS: readonly string[] =
  "Q4_0-pure Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K-pure Q3_K-pure Q4_K_M Q5_K_M Q6_K F16 BF16".split(" ");

/** The files that the cache's types are measured with: the speed goals' extremes. */
const CACHE_KINDS: ReadonlySet<string> = new Set(["Q4_0-pure", "Q8_0"]);

/** Enough for a ± of a quarter of a percent. */
const CHUNKS = "16";
const CHUNK_LENGTH = 512;

const HELP = `Measure what int8 activations and cache types cost in perplexity, on SmolLM2-135M in every type of weights.

  npm run bench:accuracy                  everything, in about ten minutes
  npm run bench:accuracy -- --write       the same, and update PERFORMANCE.md
  npm run bench:accuracy -- --kinds Q8_0,Q4_K_M --chunks 64 --json

  --kinds <a,b>      ${KINDS.join(", ")}; made if missing
  --chunks <n>       ${CHUNKS}; chunks of ${CHUNK_LENGTH} tokens, the second half of each is judged
  --threads <n>      the physical cores
  --from <file>      a report to read instead of measuring: .cache/bench/accuracy-<time>.json
  --json, --write, --help
`;

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function measure(
  kind: string,
  chunks: number,
  threads: number | undefined,
): Promise<AccuracyRow> {
  const header = await openHeader(smollm2File(kind));
  const { gguf, tokenizer } = header;
  const compute = threads === undefined ? {} : { threads };
  try {
    const bos = tokenizer.addBos ? tokenizer.bos : undefined;
    const tokens = tokenizer.encode((await judgedText()).text);
    const judged: Judged = { tokens, chunkLength: CHUNK_LENGTH, chunks, bos };
    const checked = await checkExact(gguf, tokens);
    const exact = await logLikelihoods(exactWeights(gguf), judged, compute);
    const int8 = await logLikelihoods(gguf, judged, compute);
    const cache: Partial<Record<KvType, Comparison>> = {};
    for (const kvType of CACHE_KINDS.has(kind) ? KV_TYPES.filter((type) => type !== "f32") : []) {
      const scores = await logLikelihoods(exactWeights(gguf), judged, { ...compute, kvType });
      cache[kvType] = compare(exact, scores);
    }
    const shares = quantMix(gguf).filter(({ type }) => type !== "f32");
    const bytes = shares.reduce((sum, share) => sum + share.bytes, 0);
    return {
      kind,
      mix: shares
        .map((share) => `${share.type} ${((100 * share.bytes) / bytes).toFixed(0)} %`)
        .join(", "),
      ...checked,
      exactPpl: compare(exact, exact).ppl,
      activations: compare(exact, int8),
      cache,
    };
  } finally {
    await header.close();
  }
}

const { values } = parseArgs({
  options: {
    kinds: { type: "string", default: KINDS.join(",") },
    chunks: { type: "string", default: CHUNKS },
    threads: { type: "string" },
    from: { type: "string" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

async function run(): Promise<AccuracyReport> {
  setup();
  const commit = describeCommit();
  const rows: AccuracyRow[] = [];
  for (const kind of values.kinds.split(",")) {
    const started = performance.now();
    const threads = values.threads === undefined ? undefined : Number(values.threads);
    const row = await measure(kind, Number(values.chunks), threads);
    rows.push(row);
    const { percent, margin, rms } = row.activations;
    note(
      `${kind}: f32 products off by ${row.logitError.toExponential(1)} of ${row.largestLogit.toFixed(0)}; ` +
        `perplexity ${row.exactPpl.toFixed(4)}, int8 ${row.activations.ppl.toFixed(4)}: ${percent.toFixed(3)} ± ${margin.toFixed(3)} %, ` +
        `rms ${rms.toFixed(4)} (${((performance.now() - started) / 1000).toFixed(0)} s)`,
    );
  }
  const argv = process.argv.slice(2);
  const report: AccuracyReport = {
    date: new Date().toISOString(),
    commit,
    command: ["npm run bench:accuracy", ...(argv.length > 0 ? ["--", ...argv] : [])].join(" "),
    node: process.versions.node,
    chunks: Number(values.chunks),
    chunkLength: CHUNK_LENGTH,
    text: (await judgedText()).name,
    rows,
  };
  const folder = path.join(ROOT, ".cache", "bench");
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, `accuracy-${report.date.replaceAll(/[:.]/g, "-")}.json`);
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
  note(file);
  return report;
}

if (values.help) {
  process.stdout.write(HELP);
} else {
  if (values.write && values.from === undefined && values.kinds !== KINDS.join(",")) {
    throw new TypeError("Cannot write PERFORMANCE.md from a part of the types: leave out --kinds");
  }
  const report =
    values.from === undefined
      ? await run()
      : (JSON.parse(await readFile(values.from, "utf8")) as AccuracyReport);
  process.stdout.write(
    values.json ? `${JSON.stringify(report, undefined, 2)}\n` : `${accuracyBlock(report)}\n`,
  );
  if (values.write)
    await writeBlocks("PERFORMANCE.md", new Map([["accuracy", accuracyBlock(report)]]));
}
