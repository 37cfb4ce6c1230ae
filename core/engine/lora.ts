import { RuntimeError } from "../errors.ts";
import { MAX_LORA_SCALE } from "../lora/limits.ts";
import type { LoraRows } from "../model/model.ts";

/** An adapter that a request takes. */
export interface LoraUse {
  /** One of {@linkcode EngineInfo.lora}. */
  readonly name: string;
  /** How much of it; 1 is what it was trained for, and 0 is as if it were not named. */
  readonly scale: number;
}

/** An adapter by its number in an engine. */
export interface ChosenLora {
  readonly index: number;
  /** A float32 number other than 0. */
  readonly scale: number;
}

/** No adapter. */
export const NO_LORA: readonly ChosenLora[] = [];

/**
 * The adapters that a request takes in the one order in which they are added. Throws `INVALID_REQUEST` for names that
 * are not `known`, or occur twice, and for scales that are not computed with.
 */
export function chooseLora(
  known: readonly string[],
  uses: readonly LoraUse[] | undefined,
): readonly ChosenLora[] {
  if (uses === undefined || uses.length === 0) return NO_LORA;
  const chosen = new Map<number, ChosenLora>();
  for (const { name, scale } of uses) {
    const index = known.indexOf(name);
    if (index < 0) {
      const there = known.length === 0 ? "none is loaded" : `loaded are ${known.join(", ")}`;
      throw invalid(`Cannot take the adapter ${JSON.stringify(name.slice(0, 64))}: ${there}`);
    }
    if (chosen.has(index)) throw invalid(`Cannot take the adapter ${name} twice`);
    if (!(Math.abs(scale) <= MAX_LORA_SCALE)) {
      throw invalid(
        `Cannot take ${scale} of the adapter ${name}: expected a scale from -${MAX_LORA_SCALE} to ${MAX_LORA_SCALE}`,
      );
    }
    chosen.set(index, { index, scale: Math.fround(scale) });
  }
  return [...chosen.values()]
    .filter(({ scale }) => scale !== 0)
    .toSorted((a, b) => a.index - b.index);
}

/**
 * What tells apart whose keys and values may be shared: an adapter changes them. An engine's adapters never change, so
 * that their numbers stand for their contents.
 */
export function loraKey(chosen: readonly ChosenLora[]): string {
  return chosen.map(({ index, scale }) => `${index}x${scale}`).join();
}

/** Rows of a sequence, see `Work`. */
interface LoraWork {
  readonly sequence: { readonly lora?: readonly ChosenLora[] };
  readonly rows: number;
}

/** Says of each row of a step which adapters it takes, in arrays that are made once. */
export function createLoraRows(
  maxRows: number,
): (work: readonly LoraWork[]) => readonly LoraRows[] {
  const arrays: Float32Array[] = [];
  return (work) => {
    const used = new Set<number>();
    for (const { sequence } of work) for (const { index } of sequence.lora ?? []) used.add(index);
    if (used.size === 0) return [];
    return [...used]
      .toSorted((a, b) => a - b)
      .map((index) => {
        const scales = (arrays[index] ??= new Float32Array(maxRows));
        let row = 0;
        for (const { sequence, rows } of work) {
          const scale = sequence.lora?.find((one) => one.index === index)?.scale ?? 0;
          scales.fill(scale, row, row + rows);
          row += rows;
        }
        return { index, scales: scales.subarray(0, row) };
      });
  };
}

function invalid(message: string): RuntimeError {
  return new RuntimeError("INVALID_REQUEST", message);
}
