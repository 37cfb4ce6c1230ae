import type { LoraUse } from "../engine/lora.ts";
import { adaptedDigest } from "../lora/adapted-digest.ts";
import { adaptEngine } from "../lora/adapted-engine.ts";
import type { ServedModel } from "./deps.ts";
import { isHere, type FoundModel } from "./found-model.ts";
import type { AskedLora } from "./wire/asked.ts";
import { invalid, unsupported } from "./wire/check.ts";

/** An adapter that a served model has. */
export interface ServedLora {
  /** What requests call it. */
  readonly name: string;
  /** How much of it a request takes that names it and nothing else. */
  readonly scale: number;
  /** Identifies its factors. */
  readonly digest: string;
}

/**
 * A model, and each of its adapters as a model of its own: `model:adapter`, or `adapter` alone where nothing else is
 * called so. They share an engine, and nothing else of them does: digest, fingerprint, keys of the cache, allowances
 * and lists know them as any other model.
 */
export function modelsWith(model: ServedModel): readonly ServedModel[] {
  return [model, ...(model.loras ?? []).map((lora) => namedModel(model, lora))];
}

function namedModel(model: ServedModel, lora: ServedLora): ServedModel {
  const { id, aliases = [] } = model;
  const names = [lora.name, ...aliases.map((alias) => `${alias}:${lora.name}`)];
  return {
    ...adaptedModel(model, [lora]),
    id: `${id}:${lora.name}`,
    aliases: names.filter((name) => name !== id && !aliases.includes(name)),
  };
}

/** The model as if it were made with these adapters; browsers are not given its files. */
function adaptedModel(base: ServedModel, loras: readonly ServedLora[]): ServedModel {
  const { files: _files, loras: _loras, ...rest } = base;
  const lora = loras.map(({ name, scale }): LoraUse => ({ name, scale: Math.fround(scale) }));
  const digest = adaptedDigest(base.digest, loras);
  return { ...rest, base, digest, lora, engine: adaptEngine(base.engine, lora) };
}

/** Combinations of adapters and scales of a model that are remembered: making one anew costs microseconds. */
const MOST_COMBINATIONS = 64;

const combinations = new WeakMap<ServedModel, Map<string, ServedModel>>();

/**
 * The model with the adapters that a request names in its field `lora`, as llama-server has it; the model itself where
 * it names none. Throws `INVALID_REQUEST` for adapters that the model has not, and `UNSUPPORTED_PARAMETER` where the
 * model is elsewhere.
 */
export function withAskedLora(
  model: FoundModel,
  asked: readonly AskedLora[] | undefined,
): FoundModel {
  if (asked === undefined) return model;
  if (!isHere(model)) {
    throw unsupported(
      "lora",
      "an adapter of a model in the pool is asked for by its name, model:adapter",
    );
  }
  const base = model.base ?? model;
  const chosen = chosenOf(base, asked);
  if (model.base !== undefined) {
    // A request that was passed on may name the model by what it asked for.
    const same = JSON.stringify(model.lora) === JSON.stringify(chosen.map(toUse));
    if (same) return model;
    throw invalid("lora", `'${model.id}' is a model with an adapter; name '${base.id}'`);
  }
  if (chosen.length === 0) return model;
  const known = combinations.get(base) ?? new Map<string, ServedModel>();
  combinations.set(base, known);
  const key = JSON.stringify(chosen.map(({ name, scale }) => [name, scale]));
  const made = known.get(key) ?? adaptedModel(base, chosen);
  known.delete(key);
  known.set(key, made);
  const [oldest] = known.keys();
  if (known.size > MOST_COMBINATIONS && oldest !== undefined) known.delete(oldest);
  return made;
}

function toUse({ name, scale }: ServedLora): LoraUse {
  return { name, scale };
}

/** Those that are taken, in the order of the model's. */
function chosenOf(base: ServedModel, asked: readonly AskedLora[]): readonly ServedLora[] {
  const { loras = [] } = base;
  const scales = new Map<number, number>();
  for (const [i, { id, name, scale }] of asked.entries()) {
    const index = name === undefined ? (id ?? -1) : loras.findIndex((lora) => lora.name === name);
    const lora = loras[index];
    if (lora === undefined) {
      const names = loras.map((each) => `'${each.name}'`).join(", ");
      throw invalid(
        `lora[${i}]`,
        `'${base.id}' has no such adapter: ${names === "" ? "none is served" : `served are ${names}`}`,
      );
    }
    if (scales.has(index)) throw invalid(`lora[${i}]`, `the adapter '${lora.name}' is named twice`);
    scales.set(index, Math.fround(scale ?? lora.scale));
  }
  return loras.flatMap((lora, index) => {
    const scale = scales.get(index) ?? 0;
    return scale === 0 ? [] : [{ ...lora, scale }];
  });
}

/** Throws `MODEL_NOT_ALLOWED` where a caller may not ask for one of the adapters by its own name. */
export function checkLoraModels(model: FoundModel, check: (id: string) => void): void {
  if (!isHere(model) || model.base === undefined) return;
  for (const { name } of model.lora ?? []) check(`${model.base.id}:${name}`);
}
