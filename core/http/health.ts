import type { ChoiceReason } from "../tensor/choice.ts";
import type { AppDeps, HttpLimits, ServedModel } from "./deps.ts";
import { ownEngines } from "./found-model.ts";

/** What a probe learns. */
export interface Health {
  readonly fine: boolean;
  readonly body: {
    readonly status: "ok" | "failing";
    readonly state: string;
    /** Why not, in words; empty where all is well. */
    readonly reasons: readonly string[];
    readonly version: string;
    /** Whether equal requests are computed once. */
    readonly keeps_answers: boolean;
    readonly models: readonly {
      readonly model: string;
      readonly backend: string;
      /** Whether a GPU has been given up for the CPU. */
      readonly degraded: boolean;
      /** Why it is this backend: a code that tells nothing of the hardware. */
      readonly backend_reason: ChoiceReason | null;
      readonly stalled_ms: number;
    }[];
  };
}

/** `/livez`: does every engine make progress, and the server itself? If not, only a restart helps. */
export function liveness(deps: AppDeps, limits: HttpLimits): Health {
  return report(deps, [...blocks(deps, limits), ...stalls(ownEngines(deps), limits)]);
}

/** `/readyz`: should requests be sent here now? */
export function readiness(deps: AppDeps, limits: HttpLimits): Health {
  const state = deps.state();
  const models = ownEngines(deps);
  const reasons = [...blocks(deps, limits), ...stalls(models, limits), ...absences(models)];
  if (state !== "ready") reasons.unshift(`the server is ${state}`);
  else if (models.length === 0 && deps.pool?.ready() !== true)
    reasons.unshift("no model is served");
  return report(deps, reasons);
}

/** `/startupz`: has the first loading come to an end? */
export function startup(deps: AppDeps): Health {
  return report(deps, deps.state() === "loading" ? ["the server is loading"] : []);
}

function blocks(deps: AppDeps, limits: HttpLimits): string[] {
  const lag = deps.loopLagMs?.() ?? 0;
  return lag < limits.loopLagMs ? [] : [`the event loop is ${Math.round(lag)} ms late`];
}

function stalls(models: readonly ServedModel[], limits: HttpLimits): string[] {
  return models.flatMap(({ id, engine }) => {
    const { stalledMs } = engine.stats();
    if (stalledMs < limits.engineStallMs) return [];
    return [`the engine of ${id} has finished no step for ${Math.round(stalledMs)} ms`];
  });
}

/** Models whose engine broke and has not been replaced yet. */
function absences(models: readonly ServedModel[]): string[] {
  return models.flatMap(({ id, condition }) => {
    const state = condition?.().state ?? "ready";
    if (state === "ready") return [];
    const what = state === "opening" ? "is being replaced" : "broke too often to be replaced";
    return [`the engine of ${id} ${what}`];
  });
}

function report(deps: AppDeps, reasons: readonly string[]): Health {
  const fine = reasons.length === 0;
  return {
    fine,
    body: {
      status: fine ? "ok" : "failing",
      state: deps.state(),
      reasons,
      version: deps.version,
      keeps_answers: deps.caching !== undefined,
      models: ownEngines(deps).map(({ id, engine, condition }) => ({
        model: id,
        backend: engine.info.backend,
        degraded: condition?.().degraded ?? false,
        backend_reason: engine.info.choice?.reason ?? null,
        stalled_ms: Math.round(engine.stats().stalledMs),
      })),
    },
  };
}
