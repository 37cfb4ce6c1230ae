/** What is known of a node of the pool. Plain data: the functions of this file say what comes after what. */
export interface NodeHealth {
  /** Whether the node itself wants requests; so until it says otherwise. */
  readonly ready: boolean;
  /** Connections that failed or broke, one after the other. */
  readonly losses: number;
  /** Answers with a status of 500 and above, one after the other. */
  readonly errors: number;
  /** How often it was ejected lately. */
  readonly ejections: number;
  /** Why it gets nothing, and until when, in milliseconds of a monotonic clock. */
  readonly out: Out | undefined;
}

/** Why a node gets no requests. `lost`: nobody is there. `failing`: it answers with errors. */
export interface Out {
  readonly why: "lost" | "failing";
  readonly until: number;
  readonly pauseMs: number;
}

/** `in`: it gets requests. `trial`: one, to see whether it works again. `out`: none. */
export type Standing = "in" | "trial" | "out";

/** So many losses or errors in a row and a node is out: Envoy's number for outlier detection. */
export const MOST_FAILURES = 5;

/** The first pause of a node that is not there, doubled by each further loss; small, as a restart takes seconds. */
const LOST_PAUSE_MS = 500;

/** And the longest: a node that has come back is in use again within this time. */
const LONGEST_LOST_PAUSE_MS = 4000;

/** How long a node that answers with errors is out, times how often it was out already: Envoy's numbers. */
const EJECTION_MS = 30_000;
const LONGEST_EJECTION_MS = 300_000;

/** A node of which nothing bad is known. */
export const HEALTHY: NodeHealth = {
  ready: true,
  losses: 0,
  errors: 0,
  ejections: 0,
  out: undefined,
};

/** What a node may be given now. */
export function standing({ ready, out }: NodeHealth, now: number): Standing {
  if (!ready) return "out";
  if (out === undefined) return "in";
  return now < out.until ? "out" : "trial";
}

/** The node has answered. */
export function afterAnswer(health: NodeHealth, now: number): NodeHealth {
  return { ...HEALTHY, ejections: ejectionsLeft(health, now) };
}

/** A connection failed, broke or went silent. */
export function afterLoss(health: NodeHealth, now: number): NodeHealth {
  const losses = health.losses + 1;
  const { out } = health;
  if (out?.why === "lost") {
    // What was under way when it went out says nothing new.
    if (now < out.until) return { ...health, losses };
    const pauseMs = Math.min(out.pauseMs * 2, LONGEST_LOST_PAUSE_MS);
    return { ...health, losses, out: { why: "lost", until: now + pauseMs, pauseMs } };
  }
  if (losses < MOST_FAILURES) return { ...health, losses };
  const pauseMs = LOST_PAUSE_MS;
  return { ...health, losses, out: { why: "lost", until: now + pauseMs, pauseMs } };
}

/**
 * The node has answered with a status of 500 or above.
 *
 * @param last Whether no other node is in: the last one is never ejected, as a bad answer is no worse than none.
 */
export function afterError(health: NodeHealth, now: number, last: boolean): NodeHealth {
  const errors = health.errors + 1;
  const next = { ...health, losses: 0, errors };
  // The trial of a node that was out has failed: it need not fail five times again.
  const tried = health.out?.why === "failing" && now >= health.out.until;
  if (last || (errors < MOST_FAILURES && !tried)) return next;
  if (health.out !== undefined && now < health.out.until) return next;
  const ejections = ejectionsLeft(health, now) + 1;
  const pauseMs = Math.min(EJECTION_MS * ejections, LONGEST_EJECTION_MS);
  return { ...next, ejections, out: { why: "failing", until: now + pauseMs, pauseMs } };
}

/**
 * The node's own word, by `/readyz`. Who can say that is there; but only an answer shows that a node which
 * failed works again.
 */
export function afterProbe(health: NodeHealth, ready: boolean): NodeHealth {
  const out = health.out?.why === "lost" ? undefined : health.out;
  return { ...health, ready, losses: 0, out };
}

/** One ejection is forgiven for each {@linkcode EJECTION_MS} that a node was back without another. */
function ejectionsLeft({ ejections, out }: NodeHealth, now: number): number {
  if (out?.why !== "failing") return ejections;
  const back = Math.max(now - out.until, 0);
  return Math.max(ejections - Math.floor(back / EJECTION_MS), 0);
}
