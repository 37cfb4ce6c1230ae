import { answer } from "../answer/answer.ts";
import { RuntimeError } from "../errors.ts";
import { abortWith } from "./abort.ts";
import { readJson } from "./body.ts";
import { systemFingerprint } from "../receipt/fingerprint.ts";
import type { AppDeps, HttpLimits, ServedModel } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { findModel } from "./models.ts";
import { respondInPieces, respondWhole } from "./respond.ts";
import type { ServerMetrics } from "./server-metrics.ts";
import { untilServing } from "./serving.ts";
import { planTurn } from "./turn.ts";
import type { Asked } from "./wire/asked.ts";
import type { Format, Head } from "./wire/format.ts";

/** What differs between the kinds of completion. */
export interface Route<A extends Asked> {
  /** Before the id of an answer: `chatcmpl-`. */
  readonly idPrefix: string;
  parse(body: unknown): A;
  prompt(model: ServedModel, asked: A, now: Date): readonly number[];
  format(head: Head, asked: A): Format;
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
  exchange.caller.checkModel(model.id);
  // 4. The prompt's tokens, by the chat template or as they stand, and what may follow them.
  const encoding = deps.now();
  const turn = planTurn(asked);
  const prompt = route.prompt(model, asked, new Date(deps.wallClock()));
  const encodeMs = deps.now() - encoding;
  // 5. Does it fit, into the context and into what the caller may use?
  checkBiases(model, asked);
  const room = roomFor(model, asked, prompt.length);
  const maxTokens = exchange.reserve(prompt.length, asked.maxTokens, room);
  exchange.note({ prompt_tokens: prompt.length });
  // 6. Answer: the engine's tokens as text, until a stop, the limit, or the client's leaving.
  const meter = server.metrics.answer(model, exchange.arrived);
  const leaving = abortWith(request.signal);
  const events = turn.read(
    answer(
      model.engine,
      model.tokenizer,
      {
        prompt,
        maxTokens,
        sampling: asked.sampling,
        stop: asked.stop,
        ...(asked.logprobs === undefined ? {} : { logprobs: asked.logprobs }),
        ...(turn.grammar === undefined ? {} : { grammar: turn.grammar }),
        signal: leaving.signal,
        onToken: () => {
          meter.token();
          exchange.token();
        },
      },
      () => deps.now(),
    ),
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
  const job = { events, format, includeUsage: asked.includeUsage, meter, leaving, exchange };
  const response = asked.stream
    ? await respondInPieces(job, limits)
    : await respondWhole(job, encodeMs, limits);
  if (asked.ignored.length > 0) response.headers.set("x-sirocco-ignored", asked.ignored.join(", "));
  return response;
}

/** How many tokens the context has room for. Throws `CONTEXT_LENGTH_EXCEEDED` where there is room for none. */
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
  return room;
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
