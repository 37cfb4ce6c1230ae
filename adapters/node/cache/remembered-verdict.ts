import * as v from "valibot";
import type { PolarityVerdict } from "../../../core/cache/semantic/polarity-trial.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const tally = v.strictObject({ pairs: count, hits: count });

const VERDICT: v.GenericSchema<unknown, PolarityVerdict> = v.strictObject({
  pairs: count,
  falseHits: v.record(v.string(), count),
  leftToVectors: count,
  paraphrases: v.strictObject({ form: tally, free: tally }),
});

/** Whether what a file holds is a verdict; one that was cut short or changed is found out again. */
export function isVerdict(value: unknown): value is PolarityVerdict {
  return v.is(VERDICT, value);
}
