/**
 * `npm run bench:quantisers`: what our own quantisers cost in perplexity, SmolLM2-135M quantised to each type while it
 * loads. The original is the Q4_1 file as float16 numbers, so its own type can be met exactly and others cannot.
 */
import { parseArgs } from "node:util";
import { openHeader } from "../../adapters/node/header.ts";
import { TARGET_TYPES } from "../../core/quant/quantize.ts";
import { requantize } from "../../core/quant/requantized-model.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { compare, expectedPercent, type Comparison } from "./accuracy/paired.ts";
import { logLikelihoods, type Judged } from "./accuracy/score.ts";
import { judgedText } from "./accuracy/text.ts";
import { describeCommit } from "./machine.ts";
import { smollm2File } from "./models.ts";
import { markdown } from "./tables.ts";
import { writeBlocks } from "./write.ts";

/** What others are compared with. */
const ORIGINAL: WeightType = "f16";
const TYPES: readonly WeightType[] = TARGET_TYPES.filter(
  (type) => type !== ORIGINAL && type !== "f32",
);
const CHUNK_LENGTH = 512;

const HELP = `Measure what our quantisers cost in perplexity, on SmolLM2-135M.

  npm run bench:quantisers                 every type, some ten minutes
  npm run bench:quantisers -- --write      the same, and update PERFORMANCE.md
  npm run bench:quantisers -- --types q4_k,iq4_nl --chunks 8

  --types <a,b>     ${TYPES.join(", ")}
  --chunks <n>      4; chunks of ${CHUNK_LENGTH} tokens, the second half of each is judged
  --threads <n>     the physical cores
  --write, --help
`;

interface Row {
  readonly type: WeightType;
  /** Bits of a weight, of all matrices together. */
  readonly bits: number;
  readonly comparison: Comparison;
}

const { values } = parseArgs({
  options: {
    types: { type: "string", default: TYPES.join(",") },
    chunks: { type: "string", default: "4" },
    threads: { type: "string" },
    write: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

async function run(): Promise<string> {
  const chunks = Number(values.chunks);
  const compute = values.threads === undefined ? {} : { threads: Number(values.threads) };
  const header = await openHeader(smollm2File("Q4_1"));
  const { gguf, tokenizer } = header;
  const { name, text } = await judgedText();
  const bos = tokenizer.addBos ? tokenizer.bos : undefined;
  const judged: Judged = {
    tokens: tokenizer.encode(text),
    chunkLength: CHUNK_LENGTH,
    chunks,
    bos,
  };
  const rows: Row[] = [];
  let original: Float64Array | undefined;
  for (const type of [ORIGINAL, ...(values.types.split(",") as WeightType[])]) {
    const started = performance.now();
    const model = requantize(gguf, type);
    const scores = await logLikelihoods(model, judged, compute);
    original ??= scores;
    const matrices = [...model.tensors.values()].filter(({ shape }) => shape.length > 1);
    const bytes = matrices.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const weights = matrices.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const comparison = compare(original, scores);
    rows.push({ type, bits: (8 * bytes) / weights, comparison });
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stderr.write(`${type}: ${comparison.ppl.toFixed(4)} (${seconds} s)\n`);
  }
  await header.close();
  const argv = process.argv.slice(2).filter((argument) => argument !== "--write");
  const command = ["npm run bench:quantisers", ...(argv.length > 0 ? ["--", ...argv] : [])];
  return [
    `\`${command.join(" ")}\` at commit ${describeCommit()}, ${new Date().toISOString().slice(0, 10)}, ` +
      `Node ${process.versions.node}: ${chunks} × ${CHUNK_LENGTH} tokens of ${name}, ` +
      `${rows[0]!.comparison.tokens} judged.`,
    "",
    markdown(
      ["type", "bits a weight", "perplexity", "increase, 95 %", "expected of the rounding"],
      rows.map(({ type, bits, comparison: { ppl, percent, margin, rms } }) => [
        type,
        bits.toFixed(2),
        ppl.toFixed(4),
        type === ORIGINAL ? "–" : `${signed(percent)} ± ${margin.toFixed(2)} %`,
        type === ORIGINAL ? "–" : `${signed(expectedPercent(rms))} %`,
      ]),
    ),
  ].join("\n");
}

function signed(percent: number): string {
  return `${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(2)}`;
}

if (values.help) {
  process.stdout.write(HELP);
} else {
  const block = await run();
  process.stdout.write(`${block}\n`);
  if (values.write) await writeBlocks("PERFORMANCE.md", new Map([["quantisers", block]]));
}
