import type { EngineInfo } from "../engine/engine.ts";
import { systemFingerprint } from "../receipt/fingerprint.ts";
import type { PoolModel } from "../pool/node-models.ts";
import type { AppDeps, ServedModel } from "./deps.ts";
import { findModel } from "./find-model.ts";

/** A model that answers, here or in the pool. */
export type FoundModel = ServedModel | PoolModel;

/** Every model that requests can name, those of this server first. */
export function allModels({
  models,
  pool,
}: Pick<AppDeps, "models" | "pool">): readonly FoundModel[] {
  const here = models();
  if (pool === undefined) return here;
  const names = new Set(here.map(({ id }) => id));
  return [...here, ...pool.models().filter(({ id }) => !names.has(id))];
}

/** The models that have an engine of their own: one with an adapter has that of the model itself. */
export function ownEngines({ models }: Pick<AppDeps, "models">): readonly ServedModel[] {
  return models().filter(({ base }) => base === undefined);
}

/** The model with this id or alias. Throws `MODEL_NOT_FOUND`. */
export function findAnywhere(deps: Pick<AppDeps, "models" | "pool">, name: string): FoundModel {
  return findModel(allModels(deps), name);
}

/** Whether this server computes the model's answers itself. */
export function isHere(model: FoundModel): model is ServedModel {
  return "engine" in model;
}

/** Whether a prompt of this model may depend on the time. */
export function readsClock(model: FoundModel): boolean {
  return isHere(model) ? (model.template?.readsClock ?? false) : model.readsClock;
}

/**
 * Whether a model is still the one that is served: one whose engine broke and was followed by an engine of another
 * kind is another model, and answers begun on the one and ended on the other are neither's.
 */
export function stillServed({ models }: Pick<AppDeps, "models">, model: FoundModel): boolean {
  if (!isHere(model) || models().includes(model)) return true;
  // A combination of adapters that a request asked for is in no list.
  return model.base !== undefined && models().includes(model.base);
}

/** Of the engine that a model has now: the next one, where it breaks, may be of another kind. */
const fingerprints = new WeakMap<
  ServedModel,
  { readonly info: EngineInfo; readonly made: string }
>();

/** `system_fingerprint` of a model's answers. */
export function fingerprint(model: FoundModel): string {
  if (!isHere(model)) return model.fingerprint;
  const { info } = model.engine;
  const known = fingerprints.get(model);
  if (known?.info === info) return known.made;
  const made = systemFingerprint(model.digest, info);
  fingerprints.set(model, { info, made });
  return made;
}
