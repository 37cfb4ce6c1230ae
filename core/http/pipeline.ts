import { answer, type AnswerEvent } from "../answer/answer.ts";
import { several } from "../answer/several.ts";
import { RuntimeError } from "../errors.ts";
import { systemFingerprint } from "../receipt/fingerprint.ts";
import { abortWith } from "./abort.ts";
import { readJson } from "./body.ts";
import type { AppDeps, HttpLimits, ServedModel } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { errorCode } from "./failure.ts";
import { findModel } from "./models.ts";
import { keepLikeliest, respondInPieces, respondWhole } from "./respond.ts";
import type { AnswerMeter, ServerMetrics } from "./server-metrics.ts";
import { untilServing } from "./serving.ts";
import type { Asked } from "./wire/asked.ts";
import type { Format, Head } from "./wire/format.ts";

/** What differs between the APIs and between the kinds of completion. */
export interface Route<A extends Asked> {
  /** Before the id of an answer: `chatcmpl-`. */
  readonly idPrefix: string;
  parse(body: unknown): A;
  prompts(model: ServedModel, asked: A, now: Date): readonly Prompt[];
  format(head: Head, asked: A): Format;
}

/** What is to be continued. */
export interface Prompt {
  readonly tokens: readonly number[];
  /** Text that the answer begins with, though it is not generated. */
  readonly opening?: string;
}

/** What every request shares. */
export interface Server {
  readonly deps: AppDeps;
  readonly limits: HttpLimits;
  readonly metrics: ServerMetrics;
}

/**
 * A request from its first byte to the last byte of its answer. Read this first: everything else in
 * this folder is called from here. Throws `RuntimeError` for whatever goes wrong before the first byte
 * of the answer; what goes wrong after it becomes the last event of the stream.
 */
export async function complete<A extends Asked>(
  request: Request,
  route: Route<A>,
  exchange: Exchange,
  server: Server,
): Promise<Response> {
  const { deps, limits } = server;
  // 1. Is anyone at home?
  await untilServing(deps, limits, request.signal);
  // 2. Parse: bytes to JSON to a request whose every field has been checked.
  const asked = route.parse(await readJson(request, limits));
  // 3. Which model?
  const model = findModel(deps.models(), asked.model);
  exchange.note({ model: model.id, stream: asked.stream });
  // 4. The tokens of each prompt, by the chat template or as they stand.
  const encoding = deps.now();
  const prompts = route.prompts(model, asked, new Date(deps.wallClock()));
  const encodeMs = deps.now() - encoding;
  // 5. Does it fit?
  checkBiases(model, asked);
  const jobs = prompts.map((prompt) => ({
    ...prompt,
    maxTokens: roomFor(model, asked, prompt.tokens.length),
  }));
  const promptTokens = prompts.reduce((sum, { tokens }) => sum + tokens.length, 0);
  exchange.note({ prompt_tokens: promptTokens });
  // 6. Answer: the engine's tokens as text, until a stop, the limit, or the client's leaving.
  const leaving = abortWith(request.signal);
  const events = several(
    jobs.flatMap((job) =>
      Array.from({ length: asked.candidates }, (_, candidate) => (signal: AbortSignal) => {
        const meter = server.metrics.answer(model, exchange.arrived);
        return metered(answerTo(model, asked, { ...job, candidate, signal, meter }, deps), meter);
      }),
    ),
    leaving.signal,
  );
  // 7. On the wire, whole or piece by piece.
  const format = route.format(
    {
      id: `${route.idPrefix}${deps.randomId()}`,
      created: Math.floor(deps.wallClock() / 1000),
      model: model.id,
      fingerprint: await fingerprint(model),
    },
    asked,
  );
  const answering = { events, format, promptTokens, leaving, exchange };
  const response = asked.stream
    ? await respondInPieces(answering, limits)
    : await respondWhole({ ...answering, keep: keepLikeliest(asked) }, encodeMs, limits);
  if (asked.ignored.length > 0) response.headers.set("x-sirocco-ignored", asked.ignored.join(", "));
  return response;
}

/** One answer to one prompt. */
interface AnswerJob extends Prompt {
  readonly maxTokens: number;
  /** Its number among the answers to this prompt. */
  readonly candidate: number;
  readonly signal: AbortSignal;
  readonly meter: AnswerMeter;
}

/** An answer behind the text that it has to open with. */
async function* answerTo(
  model: ServedModel,
  asked: Asked,
  { tokens, opening = "", maxTokens, candidate, signal, meter }: AnswerJob,
  deps: AppDeps,
): AsyncGenerator<AnswerEvent, void, undefined> {
  if (opening !== "") yield { type: "text", text: opening, tokens: [] };
  // The likeliest candidates are told by what the model thought of their tokens.
  const ranked = asked.candidates > asked.choices ? 0 : undefined;
  const logprobs = asked.logprobs ?? ranked;
  const { sampling } = asked;
  yield* answer(
    model.engine,
    model.tokenizer,
    {
      prompt: tokens,
      maxTokens,
      // The first answer is the one that would be given alone, the others differ.
      sampling: { ...sampling, seed: (sampling.seed + candidate) % 2 ** 32 },
      stop: asked.stop,
      ...(logprobs === undefined ? {} : { logprobs }),
      signal,
      onToken: () => meter.token(),
    },
    () => deps.now(),
  );
}

/** Tell the meter how an answer ends; what is neither complete nor left has failed and is counted as an error. */
async function* metered(
  events: AsyncGenerator<AnswerEvent, void, undefined>,
  meter: AnswerMeter,
): AsyncGenerator<AnswerEvent, void, undefined> {
  let left = true;
  try {
    for await (const event of events) {
      if (event.type === "done") {
        left = false;
        meter.done(event);
      }
      yield event;
    }
  } catch (error) {
    left = errorCode(error) === "ABORTED";
    throw error;
  } finally {
    if (left) meter.aborted();
  }
}

/** How many tokens an answer may have. Throws `CONTEXT_LENGTH_EXCEEDED` where there is room for none. */
function roomFor(model: ServedModel, asked: Asked, promptTokens: number): number {
  const room = model.contextLength - promptTokens;
  if (room < 1) {
    throw new RuntimeError(
      "CONTEXT_LENGTH_EXCEEDED",
      `This model's maximum context length is ${model.contextLength} tokens, prompt and answer together; the prompt has ${promptTokens}. Shorten it`,
      { param: asked.promptParam },
    );
  }
  // An answer cut off by the context ends with `length`, as one cut off by max_tokens does.
  return Math.min(asked.maxTokens ?? room, room);
}

/** Throws `INVALID_REQUEST` where a token does not exist; the vocabulary is known only now. */
function checkBiases(model: ServedModel, asked: Asked): void {
  const unknown = asked.sampling.logitBias.find(([token]) => token >= model.engine.info.vocabSize);
  if (unknown === undefined) return;
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot accept 'logit_bias': token ${unknown[0]} is not among the ${model.engine.info.vocabSize} of this model`,
    { param: "logit_bias" },
  );
}

/** Models do not change while they are served. */
const fingerprints = new WeakMap<ServedModel, Promise<string>>();

function fingerprint(model: ServedModel): Promise<string> {
  const known = fingerprints.get(model);
  if (known !== undefined) return known;
  const made = systemFingerprint(model.digest, model.engine.info);
  fingerprints.set(model, made);
  return made;
}
