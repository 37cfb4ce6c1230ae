import { setTimeout as sleep } from "node:timers/promises";
import type { Embedder } from "../../../core/cache/semantic/embedder.ts";
import { falseHitsOf, type PolarityVerdict } from "../../../core/cache/semantic/polarity-trial.ts";
import {
  createSemanticAnswers,
  type SemanticAnswers,
  type SemanticState,
  type Verdicts,
} from "../../../core/cache/semantic/semantic-answers.ts";
import { RuntimeError } from "../../../core/errors.ts";
import type { LogRecord, ServedModel } from "../../../core/http/deps.ts";
import { createModelEmbedder } from "../../../core/http/model-embedder.ts";
import { CONVERSATION_PATHS } from "../../../core/http/question.ts";
import { sha256 } from "../digest.ts";
import { loadLocal, type LoadedModel } from "../load.ts";
import { recall, remember } from "../remembered.ts";
import type { SemanticCaching } from "./open-caching.ts";

/** Answers by meaning, with the embedder that they need. */
export interface OpenSemantic {
  readonly answers: SemanticAnswers;
  /** Let go of the embedder. */
  close(): Promise<void>;
}

/** What an embedder is loaded with, and who hears of it. */
export interface SemanticSurroundings {
  /** The models that are served, of which the first one is `self`. */
  readonly models: () => readonly ServedModel[];
  readonly log: (record: LogRecord) => void;
}

/** Beside the model that answers, one thread; a question is a dozen tokens. */
const EMBEDDER_THREADS = 1;
/** Tokens of a question: `MAX_QUESTION_CHARS` of letters that are tokens of their own, and room. */
const EMBEDDER_CONTEXT = 512;
/** The trial waits so long for an embedder that is not there or has no room, and then tries again. */
const RETRY_MS = 2000;
/** In the user's cache folder. */
const FOLDER = "semantic";
/** OpenAI's own, which says in headers what it did. */
const DEFAULT_PATHS = ["/v1/chat/completions"];

/**
 * Begin to load the embedder and to prove it; until then nothing is answered by meaning. Rejects with
 * `INVALID_REQUEST` for a path that has no answers.
 */
export function openSemantic(
  { model: location, paths = DEFAULT_PATHS }: SemanticCaching,
  { models, log }: SemanticSurroundings,
): OpenSemantic {
  for (const path of paths) checkPath(path);
  const closing = new AbortController();
  const { signal } = closing;
  let own: LoadedModel | undefined;
  let embedder: Embedder | undefined;

  async function load(): Promise<void> {
    const loaded = await loadLocal({
      model: location,
      threads: EMBEDDER_THREADS,
      contextSize: EMBEDDER_CONTEXT,
      signal,
    });
    if (signal.aborted) return await loaded.close();
    own = loaded;
    const { engine, tokenizer, config } = loaded;
    const { pooling } = config;
    embedder = createModelEmbedder({
      engine,
      tokenizer,
      contextLength: engine.info.contextLength,
      digest: await loaded.digest(),
      ...(pooling === undefined ? {} : { pooling }),
    });
  }

  const answers = createSemanticAnswers({
    embedder: () => (location === "self" ? selfOf(models()) : embedder),
    paths,
    verdicts: VERDICTS,
    onVerdict: (verdict, state) => log(verdictRecord(verdict, state)),
    now: () => performance.now(),
  });

  async function begin(): Promise<void> {
    if (location !== "self") await load();
    let told = false;
    while (!signal.aborted) {
      try {
        await answers.prove();
        return;
      } catch (error) {
        // `self` is not there before its model is; other trouble may last, and is told once.
        const message = error instanceof Error ? error.message : String(error);
        if (!told && RuntimeError.is(error) && !signal.aborted) {
          log({ level: "error", event: "semantic_cache", state: "proving", message });
          told = true;
        }
        await sleep(RETRY_MS, undefined, { signal });
      }
    }
  }

  const beginning = begin().catch((error: unknown) => {
    if (signal.aborted) return;
    const message = error instanceof Error ? error.message : String(error);
    log({ level: "error", event: "semantic_cache", state: "off", message });
  });
  return {
    answers,
    async close() {
      closing.abort();
      await own?.close();
      await beginning;
    },
  };
}

/** Embedders of models; the same model has the same one. */
const embedders = new WeakMap<ServedModel, Embedder>();

function selfOf([model]: readonly ServedModel[]): Embedder | undefined {
  if (model === undefined) return undefined;
  const known = embedders.get(model) ?? createModelEmbedder(model);
  embedders.set(model, known);
  return known;
}

function checkPath(path: string): void {
  if (CONVERSATION_PATHS.includes(path)) return;
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot answer ${JSON.stringify(path.slice(0, 100))} by meaning: say ${CONVERSATION_PATHS.join(" or ")}`,
  );
}

function verdictRecord(verdict: PolarityVerdict, state: SemanticState): LogRecord {
  const { pairs, falseHits, paraphrases } = verdict;
  return {
    level: "info",
    event: "semantic_cache",
    state,
    pairs,
    false_hits: falseHitsOf(verdict),
    false_hit_kinds: Object.keys(falseHits).join(" "),
    form_paraphrases: paraphrases.form.pairs,
    form_hits: paraphrases.form.hits,
    free_paraphrases: paraphrases.free.pairs,
    free_hits: paraphrases.free.hits,
  };
}

const VERDICTS: Verdicts = {
  async read(name) {
    const text = await recall(FOLDER, `${sha256(name)}.json`);
    if (text === "") return undefined;
    const { isVerdict } = await import("./remembered-verdict.ts");
    const verdict: unknown = JSON.parse(text);
    return isVerdict(verdict) ? verdict : undefined;
  },
  write: (name, verdict) => remember(FOLDER, `${sha256(name)}.json`, JSON.stringify(verdict)),
};
