import type { Backend } from "../../core/tensor/backend.ts";
import type { LogitQuery, LogitSummary } from "../../core/tensor/logits.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Operation } from "../../core/tensor/workload.ts";
import { createReferenceBackend } from "../reference/backend.ts";
import { type Case, createCase } from "./cases.ts";
import { createBytes, sampleValues } from "./samples.ts";

/** Logits: more than a kernel's group of 256, and not a multiple of it. */
const VOCAB = 1000;

/** The largest difference of a sum or a logit, as a part of it: f32 beside f64. */
const LOGIT_TOLERANCE = 1e-3;

/** Every question that a sampler asks, each about a row of its own. */
const QUERIES: readonly LogitQuery[] = [
  { row: 0, k: 40, mass: true },
  {
    row: 1,
    k: 8,
    tokens: [5, VOCAB - 1],
    changes: {
      count: 2,
      ids: Int32Array.of(5, 900),
      terms: Float64Array.of(0.5, 1.25, 0.1, 0.2, 9, 1, 0, 0),
    },
    draw: { temperature: 0.75, random: 0.4 },
  },
  {
    row: 2,
    k: 4,
    mask: new Uint32Array(Math.ceil(VOCAB / 32)).fill(0x0f0f_0f0f),
    mass: true,
    draw: { temperature: 1, random: 0.8 },
  },
];

/**
 * Compute small problems of each kind that a model will bring, and compare with the readable backend. Returns
 * what is wrong, for people, or `undefined`. Adapters are known that compute nothing at all, and compilers
 * that err in a single kernel. Takes about a mebibyte of the backend's memory and runs every kernel once,
 * which compiles them. Does not reject.
 */
export async function findFault(
  backend: Backend,
  operations: readonly Operation[],
): Promise<string | undefined> {
  try {
    return await compareAll(backend, operations);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function compareAll(
  backend: Backend,
  operations: readonly Operation[],
): Promise<string | undefined> {
  const reference = createReferenceBackend();
  const actual = await prepare(backend, operations);
  const expected = await prepare(reference, operations);
  for (const [i, { name, tolerance, outputs }] of actual.cases.entries()) {
    for (const [j, [what, tensor]] of outputs.entries()) {
      const right = await reference.read(expected.cases[i]!.outputs[j]![1]);
      const error = largestError(await backend.read(tensor), right);
      // Also where it is no number.
      if (!(error <= tolerance)) {
        return `${name}${what === "" ? "" : ` ${what}`} is off by ${error.toPrecision(2)} of its size`;
      }
    }
  }
  const answers = await backend.reduce(actual.logits, QUERIES);
  const right = await reference.reduce(expected.logits, QUERIES);
  return faultOfAnswers(answers, right);
}

/** Lay out every case, with the same values on any backend, and run all of them in one step. */
async function prepare(
  backend: Backend,
  operations: readonly Operation[],
): Promise<{ readonly cases: readonly Case[]; readonly logits: Tensor }> {
  const random = createBytes();
  const cases: Case[] = [];
  for (const operation of operations) cases.push(await createCase(backend, operation, random));
  const logits = backend.alloc("logits", [QUERIES.length, VOCAB]);
  const values = sampleValues(random, QUERIES.length * VOCAB);
  // No two are equal: which is the better one is not to depend on rounding.
  backend.write(
    logits,
    values.map((value, i) => 4 * value + i / 1024),
  );
  await backend.run((ops) => {
    for (const each of cases) each.record(ops);
  });
  return { cases, logits };
}

/** The largest difference, as a part of the root of the mean square of what is right. */
function largestError(actual: Float32Array, right: Float32Array): number {
  let most = 0;
  let squares = 0;
  for (const [i, value] of right.entries()) {
    const difference = Math.abs(actual[i]! - value);
    // A comparison with NaN is false.
    if (!(difference <= most)) most = difference;
    if (Number.isNaN(difference)) return NaN;
    squares += value * value;
  }
  return most / Math.sqrt(squares / right.length);
}

function close(a: number, b: number): boolean {
  return Math.abs(a - b) <= LOGIT_TOLERANCE * Math.max(1, Math.abs(b));
}

function alike(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  return a.length === b.length && Array.from(a).every((value, i) => close(value, b[i]!));
}

function faultOfAnswers(
  answers: readonly LogitSummary[],
  right: readonly LogitSummary[],
): string | undefined {
  for (const [i, expected] of right.entries()) {
    const { ids, logits, tokenLogits, max, mass, drawn, drawnLogit } = answers[i]!;
    const parts = {
      candidates: ids.join() === expected.ids.join() && alike(logits, expected.logits),
      "tokens' logits": alike(tokenLogits, expected.tokenLogits),
      maximum: close(max, expected.max),
      mass: close(mass, expected.mass),
      "drawn token":
        drawn === expected.drawn && (drawn === -1 || close(drawnLogit, expected.drawnLogit)),
    };
    for (const [part, fine] of Object.entries(parts)) {
      if (!fine)
        return `the ${part} of logits, question ${i + 1}, ${part === "mass" ? "is" : "are"} wrong`;
    }
  }
  return undefined;
}
