import type { EngineStats } from "./engine.ts";

/** Of an engine that did nothing. */
export const NO_STATS: EngineStats = {
  running: 0,
  waiting: 0,
  kvBlocksUsed: 0,
  kvBlocksTotal: 0,
  steps: 0,
  rows: 0,
  rowsAhead: 0,
  rowsPerSecond: 0,
  promptTokens: 0,
  generatedTokens: 0,
  preemptions: 0,
  prefixQueries: 0,
  prefixHits: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
  modelDraftedTokens: 0,
  modelAcceptedTokens: 0,
  stalledMs: 0,
};

/** What only grows, and is one number. */
const COUNTERS = [
  "steps",
  "rows",
  "promptTokens",
  "generatedTokens",
  "preemptions",
  "prefixQueries",
  "prefixHits",
  "draftedTokens",
  "acceptedTokens",
  "modelDraftedTokens",
  "modelAcceptedTokens",
] as const satisfies readonly (keyof EngineStats)[];

/** An engine's statistics, its counters added to those of the engines before it. */
export function totalStats(stats: EngineStats, before: EngineStats | undefined): EngineStats {
  if (before === undefined) return stats;
  const counters = COUNTERS.map((counter) => [counter, stats[counter] + before[counter]] as const);
  const expertRows = stats.expertRows?.map((layer, l) =>
    layer.map((rows, expert) => rows + (before.expertRows?.[l]?.[expert] ?? 0)),
  );
  return {
    ...stats,
    ...(Object.fromEntries(counters) as Record<(typeof COUNTERS)[number], number>),
    ...(expertRows === undefined ? {} : { expertRows }),
  };
}
