import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { openHeader } from "../../adapters/node/header.ts";
import { checkExact } from "../bench/accuracy/check-exact.ts";
import { exactWeights } from "../bench/accuracy/exact-weights.ts";
import { compare, expectedPercent } from "../bench/accuracy/paired.ts";
import { LARGEST_INCREASE } from "../bench/accuracy/report.ts";
import { logLikelihoods } from "../bench/accuracy/score.ts";
import { judgedText } from "../bench/accuracy/text.ts";
import { smollm2File } from "../bench/models.ts";

/** A short form of `npm run bench:accuracy`. */
const LENGTH = { chunkLength: 256, chunks: 3 };

/**
 * In percent. 8 bits cost about 0.3 %; one bit less costs four times as much (1.4 to 1.5 %). It is
 * judged by how far single tokens move, which chance hardly touches.
 */
const LARGEST_EXPECTED = 0.6;

/** Whether a program is there. */
function works(tool: string): boolean {
  return spawnSync(tool, ["--version"], { stdio: "ignore" }).status === 0;
}

test.for(["Q4_0", "Q8_0", "Q4_K_M"])(
  "int8 activations cost SmolLM2-135M in %s no more perplexity than they may",
  async (kind, context) => {
    if (!works("git") || !works(process.env["CC"] ?? "cc")) {
      context.skip("skipped: making this quantisation needs git and a C compiler");
      return;
    }
    const header = await openHeader(smollm2File(kind));
    const { gguf, tokenizer } = header;
    try {
      const tokens = tokenizer.encode((await judgedText()).text);
      await checkExact(gguf, tokens);
      const judged = { tokens, ...LENGTH, bos: tokenizer.addBos ? tokenizer.bos : undefined };
      const exact = await logLikelihoods(exactWeights(gguf), judged, {});
      const int8 = await logLikelihoods(gguf, judged, {});
      const { percent, margin, rms } = compare(exact, int8);
      await context.annotate(
        `${percent.toFixed(2)} ± ${margin.toFixed(2)} %, expected of an rms of ${rms.toFixed(4)}: ${expectedPercent(rms).toFixed(2)} %`,
      );
      expect(rms, "activations are rounded at all").toBeGreaterThan(0);
      expect(expectedPercent(rms)).toBeLessThan(LARGEST_EXPECTED);
      // More than may be, and not by chance.
      expect(percent - margin).toBeLessThan(LARGEST_INCREASE);
    } finally {
      await header.close();
    }
  },
);
