import { DIFFERENCES, type Difference } from "./content-gate.ts";
import type { Embedder } from "./embedder.ts";
import { mayAnswer, tryPolarity, TRIAL_VERSION, type PolarityVerdict } from "./polarity-trial.ts";
import { createQuestionIndex, type IndexBounds } from "./question-index.ts";
import { readQuestion } from "./terms.ts";

/** Answers to questions that were asked before in other words; off until its embedder has been proved. */
export interface SemanticAnswers {
  /** Paths of requests that it may answer. */
  readonly paths: ReadonlySet<string>;
  /** Whether it answers, and if not, whether that is known already. */
  readonly state: SemanticState;
  /** Try the embedder on the polarity suite, or remember what came of that. Rejects with what the embedder rejects with. */
  prove(): Promise<PolarityVerdict>;
  /** Look for a question that asks the same; `undefined` where it is off, or the question none that it knows to read. */
  ask(question: AskedQuestion): Promise<SemanticLookup | undefined>;
  /** Let an answer be given to the words that it was computed for only; whether it was given to others before. */
  evict(id: string): boolean;
  /** What has been looked for and found. */
  stats(): SemanticStats;
}

/** `proving`: the verdict is not there yet; `off`: too many false hits. */
export type SemanticState = "proving" | "on" | "off";

/** The last turn of a conversation that has no other. */
export interface AskedQuestion {
  /** What it says. */
  readonly text: string;
  /** Only questions of the same partition are compared: whatever else decides the answer is in it. */
  readonly partition: string;
  /** On whose behalf it is embedded. */
  readonly tenant: string;
}

/** A question and what is known of questions like it. */
export interface SemanticLookup {
  /** The answer of another question that asks the same. */
  readonly found?: SemanticMatch;
  /** The answer that was found is kept no more. */
  gone(): void;
  /** This question has been answered: its answer has this id and is kept under `key`. */
  remember(key: string, id: string): void;
}

/** A kept answer that fits. */
export interface SemanticMatch {
  /** Under which it is kept. */
  readonly key: string;
  /** Of the answer; {@linkcode SemanticAnswers.evict} takes it. */
  readonly id: string;
  /** Cosine of both questions' vectors. */
  readonly similarity: number;
}

/** How a look-up ended: nothing near, something near that asks something else, or no vector in time. */
export type LookupResult = "hit" | "refused" | "far" | "no-vector";

/** Counters only grow. */
export interface SemanticStats {
  /** Questions looked up, by how that ended. */
  readonly lookups: Readonly<Record<LookupResult, number>>;
  /** Near questions that were not taken for the same, by why. */
  readonly refusals: Readonly<Record<Difference, number>>;
  /** Questions in memory. */
  readonly entries: number;
  /** What they take. */
  readonly bytes: number;
  /** Milliseconds that requests waited for vectors. */
  readonly embedMs: number;
}

/** Where verdicts are remembered from one start to the next. It may throw anything. */
export interface Verdicts {
  /** The verdict of this name, or nothing. */
  read(name: string): Promise<PolarityVerdict | undefined>;
  /** Keep it under this name. */
  write(name: string, verdict: PolarityVerdict): Promise<void>;
}

/** Options of {@linkcode createSemanticAnswers}. */
export interface SemanticOptions {
  /** The embedder there is now; `undefined` while its model loads. */
  readonly embedder: () => Embedder | undefined;
  /** Paths of requests that may be answered so. */
  readonly paths: readonly string[];
  /** Absent: each start tries anew. */
  readonly verdicts?: Verdicts;
  /** Told of each verdict, tried or remembered. */
  readonly onVerdict?: (verdict: PolarityVerdict, state: SemanticState) => void;
  /** How much is remembered; 4096 questions in 16 MiB unless given. */
  readonly bounds?: IndexBounds;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** A vector that takes longer is not waited for: a miss must not wait longer for the cache than it would like to. */
const EMBED_WITHIN_MS = 250;

/** Questions that are embedded at a time; beyond them nobody waits for a vector. */
const MAX_EMBEDDING = 32;

/** Nothing has been asked, and nothing proved. */
export function createSemanticAnswers(options: SemanticOptions): SemanticAnswers {
  const { now, verdicts } = options;
  const index = createQuestionIndex(options.bounds);
  const lookups = { hit: 0, refused: 0, far: 0, "no-vector": 0 };
  const refusals = Object.fromEntries(DIFFERENCES.map((reason) => [reason, 0])) as Record<
    Difference,
    number
  >;
  let embedMs = 0;
  const embedding = new Map<string, Promise<Float32Array | undefined>>();
  let proved: { readonly name: string; readonly state: SemanticState } | undefined;
  let proving: Promise<PolarityVerdict> | undefined;

  async function proveNow(): Promise<PolarityVerdict> {
    const embedder = options.embedder();
    if (embedder === undefined) throw new Error("There is no embedder yet");
    const name = `${embedder.name} ${TRIAL_VERSION}`;
    const known = await verdicts?.read(name).catch(() => undefined);
    const verdict = known ?? (await tryPolarity(embedder));
    // One that was replaced meanwhile was not the same all the time.
    if (options.embedder()?.name !== embedder.name) throw new Error("The embedder has changed");
    if (known === undefined) await verdicts?.write(name, verdict).catch(() => {});
    index.clear();
    proved = { name: embedder.name, state: mayAnswer(verdict) ? "on" : "off" };
    options.onVerdict?.(verdict, proved.state);
    return verdict;
  }

  function prove(): Promise<PolarityVerdict> {
    proving ??= proveNow().finally(() => (proving = undefined));
    return proving;
  }

  /** The embedder, where it is the one that was proved. */
  function provedEmbedder(): Embedder | undefined {
    const embedder = options.embedder();
    if (embedder === undefined || proved === undefined) return undefined;
    if (embedder.name === proved.name) return proved.state === "on" ? embedder : undefined;
    // Another engine makes other vectors.
    prove().catch(() => {});
    return undefined;
  }

  async function vectorOf(
    embedder: Embedder,
    { text, tenant, partition }: AskedQuestion,
  ): Promise<Float32Array | undefined> {
    const key = `${partition} ${text}`;
    const running = embedding.get(key);
    if (running !== undefined) return await running;
    if (embedding.size >= MAX_EMBEDDING) return undefined;
    const vector = embedInTime(embedder, text, tenant).finally(() => embedding.delete(key));
    embedding.set(key, vector);
    return await vector;
  }

  return {
    paths: new Set(options.paths),
    get state() {
      return proved?.state ?? "proving";
    },
    prove,
    async ask(question) {
      const embedder = provedEmbedder();
      const saying = embedder === undefined ? undefined : readQuestion(question.text);
      if (embedder === undefined || saying === undefined) return undefined;
      const { terms, bare } = saying;
      const began = now();
      const vector = await vectorOf(embedder, { ...question, text: bare });
      embedMs += now() - began;
      if (vector === undefined) {
        lookups["no-vector"]++;
        return undefined;
      }
      const { partition } = question;
      const { found, refused } = index.find(partition, { terms, vector });
      for (const reason of refused) refusals[reason]++;
      if (found !== undefined) lookups.hit++;
      else lookups[refused.length > 0 ? "refused" : "far"]++;
      return {
        ...(found === undefined
          ? {}
          : {
              found: {
                key: found.question.key,
                id: found.question.id,
                similarity: found.similarity,
              },
            }),
        gone() {
          if (found !== undefined) index.drop(found.question.id);
        },
        remember: (key, id) => index.add({ id, partition, terms, vector, key }),
      };
    },
    evict: (id) => index.evict(id),
    stats: () => ({
      lookups: { ...lookups },
      refusals: { ...refusals },
      entries: index.size,
      bytes: index.bytes,
      embedMs,
    }),
  };
}

/** `undefined` where no vector comes in time, or none at all: then the question is computed as any other. */
async function embedInTime(
  embedder: Embedder,
  text: string,
  tenant: string,
): Promise<Float32Array | undefined> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), EMBED_WITHIN_MS);
  const whenLate = new Promise<undefined>((resolve) =>
    late.signal.addEventListener("abort", () => resolve(undefined), { once: true }),
  );
  try {
    const vector = embedder.embed(text, { tenant, signal: late.signal });
    vector.catch(() => {});
    return await Promise.race([vector, whenLate]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
