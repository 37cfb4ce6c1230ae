import type { RuntimeError } from "../errors.ts";
import { createMatchers } from "../grammar/matcher.ts";
import type { Batch } from "../model/model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { createBacklog } from "./backlog.ts";
import { createLayOut } from "./batch.ts";
import { type Breakage, breakageOf } from "./breakage.ts";
import { checkEmbed, checkGenerate, checkGenerates, checkLimits, checkScore } from "./check.ts";
import { createEmbedJob } from "./embed-job.ts";
import { aborted, late, notReady, waitedTooLong } from "./endings.ts";
import type {
  EmbedRequest,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
  ScoreRequest,
} from "./engine.ts";
import type { EngineOptions } from "./engine-options.ts";
import { createExpertCounts } from "./expert-counts.ts";
import { createGenerateJob } from "./generate-job.ts";
import { canDraft, drafterOf } from "./drafter.ts";
import { createDrafting } from "./drafting.ts";
import { createHeartbeat } from "./heartbeat.ts";
import { createTally, type Job } from "./job.ts";
import { createLatch } from "./latch.ts";
import { addInTurn } from "./own-wait.ts";
import { steer } from "./steering.ts";
import { poolStates, wantedStates } from "./states.ts";
import { createSample } from "./sample.ts";
import { type StepPlan, createScheduler } from "./scheduler.ts";
import { createKvEraser } from "./kv-eraser.ts";
import { createKvPrefixes, type KvPrefix } from "./kv-prefix.ts";
import { createPrefixJob } from "./prefix-job.ts";
import { createScoreJob } from "./score-job.ts";
import { createStepCost } from "./step-cost.ts";
import type { SteppedEngine } from "./stepped-engine.ts";
import type { Sequence } from "./sequence.ts";
import type { Stream } from "./stream.ts";
import { createTokenStream } from "./token-stream.ts";

type State = "open" | "closing" | "failed";

/** An engine in this thread. Throws `RangeError` for limits below 1 and a draft model of another shape. */
export function createEngine(options: EngineOptions): SteppedEngine {
  const { backend, model, now, yieldTurn, maxWaitMs = Infinity } = options;
  const { limits, lora: loras = [] } = model;
  const { vocabSize, embedsOnly = false } = model.config;
  const chunk = options.chunk ?? limits.maxRows;
  const contextLength = Math.min(
    options.contextLength ?? model.config.contextLength,
    model.config.contextLength,
    limits.blocks * limits.blockSize,
    // Texts that come in one step have to fit into one.
    ...(embedsOnly ? [chunk, limits.maxRows, limits.maxLogitRows] : []),
  );
  // Elsewhere a row's bits may depend on the rows beside it.
  const speculate = (options.speculate ?? true) !== false && !backend.name.startsWith("webgpu");
  const maxJobs = checkLimits(options.maxSequences, chunk) + options.maxWaiting;
  const prefixes = createKvPrefixes(backend, model);
  const scheduler = createScheduler({
    ...limits,
    maxSequences: options.maxSequences,
    chunk,
    queue: { requests: maxJobs, tokens: options.maxWaitingTokens ?? Infinity },
    sharePrefixes: options.sharePrefixes ?? true,
    whole: embedsOnly,
    fill: (sequence, computed) => prefixes.fill(sequence, computed),
    handedOver: createKvEraser(backend, model, options.draft),
  });
  const layOut = createLayOut(limits);

  const jobs = new Map<Sequence, Job>();
  const matchers = createMatchers();
  const tally = createTally();
  const cost = createStepCost();
  const backlog = createBacklog();
  const experts = model.tallies && createExpertCounts(backend, model.tallies);
  let steps = 0;
  let rows = 0;
  let preemptions = 0;
  let state: State = "open";
  /** When the last step ended, or the first request came after a time without. */
  let progressed = now();
  const latch = createLatch<Breakage>();
  let heartbeat = nothing;
  const watched = createHeartbeat(now, (at) => {
    progressed = at;
    heartbeat();
  });
  const drafting = speculate
    ? createDrafting({ ...options, jobs, scheduler, cost, tally, watched })
    : undefined;
  const sample = createSample({ backend, jobs, vocabSize, tally, judge: drafting?.judge, now });
  let wake = nothing;
  let stepping = false;
  const ended = yieldTurn === undefined ? Promise.resolve() : loop(yieldTurn);
  void backend.failed?.then(breakDown);

  function isOpen(): boolean {
    return state === "open";
  }

  async function loop(yieldToOthers: () => Promise<void>): Promise<void> {
    try {
      while (isOpen()) {
        if (drafting !== undefined) await drafting.guess();
        const plan = nextPlan();
        if (plan === undefined) {
          await new Promise<void>((resolve) => (wake = resolve));
        } else {
          await step(plan);
          await yieldToOthers();
        }
      }
    } catch (error) {
      breakDown(error);
    }
  }

  async function advance(): Promise<boolean> {
    if (stepping || !isOpen()) return false;
    stepping = true;
    try {
      await drafting?.guess();
      const plan = nextPlan();
      if (plan === undefined) return false;
      await step(plan);
      return true;
    } catch (error) {
      breakDown(error);
      return false;
    } finally {
      stepping = false;
    }
  }

  /** The next step without those whose time is over. */
  function nextPlan(): StepPlan | undefined {
    const at = now();
    for (const [sequence, job] of jobs) {
      // Who has once been let in does not wait for a slot, even where it gave way.
      const waits = sequence.cached === undefined && !sequence.admitted;
      if (at >= job.deadline) end(sequence, late());
      else if (waits && at - job.arrived >= maxWaitMs) end(sequence, waitedTooLong());
    }
    if (drafting === undefined) guess();
    return scheduler.plan();
  }

  /** Let those that are being answered guess what comes next. */
  function guess(): void {
    const { running } = scheduler.load;
    for (const [sequence, { drafter }] of jobs) {
      if (drafter === undefined || sequence.state !== "running") continue;
      const answering = sequence.computed === sequence.tokens.length - 1;
      sequence.draft = answering ? drafter.draft(sequence.tokens, running) : [];
    }
  }

  /** One turn: plan, prepare, run, read, sample, commit. */
  async function step(plan: StepPlan): Promise<void> {
    const started = now();
    for (const { sequence } of plan.work) jobs.get(sequence)?.begin(started);
    const states = wantedStates(plan, jobs);
    const batch = states === "only" ? { ...layOut(plan.work), headless: true } : layOut(plan.work);
    model.prepare(batch);
    const output = await run(batch);
    if (states !== "none")
      poolStates(plan, jobs, await backend.read(model.states(batch)), model.config.dim);
    const sampled = plan.logitRows > 0 ? await sample(plan, output) : [];
    progressed = now();
    // Steps of answers alone: a prompt's rows cost less each.
    if (plan.logitRows === plan.rows) cost.learn(plan.rows, progressed - started);
    drafting?.settle(plan, progressed - started);
    steps++;
    rows += plan.rows;
    backlog.stepped(plan.rows, progressed - started);
    for (const { sequence, rows: computed } of plan.work) {
      if (sequence.computed + computed < sequence.tokens.length) continue;
      const job = jobs.get(sequence);
      if (job?.capture !== undefined) await job.capture();
    }
    // Before anyone is told of the step: what is said of it is complete.
    await experts?.step();
    for (const { sequence, reason } of scheduler.commit(plan, sampled)) {
      const job = jobs.get(sequence);
      forget(sequence);
      job?.finish(reason);
    }
    if (jobs.size === 0) await experts?.idle();
  }

  async function run(batch: Batch): Promise<Tensor> {
    let output: Tensor | undefined;
    await backend.run((ops) => {
      output = model.forward(watched(ops), batch);
    });
    if (output === undefined) throw new Error("Cannot run a step: the backend recorded nothing");
    return output;
  }

  /** A step failed: what the cache holds is unknown, so nothing can go on. */
  function breakDown(cause: unknown): void {
    abandon(breakageOf(cause, backend.name));
  }

  function abandon(found: Breakage): void {
    // An engine that is being closed ends its requests itself.
    if (!isOpen()) return;
    state = "failed";
    latch.set(found);
    wake();
    endAll((sequence) => (sequence.state === "running" ? found.error : notReady()));
  }

  function endAll(why: (sequence: Sequence) => RuntimeError): void {
    for (const sequence of jobs.keys()) end(sequence, why(sequence));
  }

  function end(sequence: Sequence, error: RuntimeError): void {
    const job = jobs.get(sequence);
    forget(sequence);
    job?.fail(error);
  }

  /** Refuse what cannot be taken in now. */
  function checkOpen(signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) throw aborted();
    if (!isOpen()) throw notReady();
  }

  function enqueue(job: Job): void {
    addInTurn(scheduler, backlog, jobs.keys(), job.sequence);
    if (jobs.size === 0) progressed = now();
    jobs.set(job.sequence, job);
    wake();
  }

  function forget(sequence: Sequence): void {
    if (!jobs.delete(sequence)) return;
    scheduler.abort(sequence);
    preemptions += sequence.preemptions;
  }

  function start(request: GenerateRequest): AsyncIterator<GenerateEvent, undefined> {
    let job: Job | undefined;
    const abort = (): void => stream.fail(aborted());
    const stream: Stream<GenerateEvent> = createTokenStream(() => {
      request.signal?.removeEventListener("abort", abort);
      if (job !== undefined) forget(job.sequence);
    });
    try {
      checkGenerates(model.config);
      const limit = checkGenerate(request, vocabSize, contextLength);
      checkOpen(request.signal);
      job = createGenerateJob(request, limit, vocabSize, stream, {
        tally,
        backlog,
        steering: steer(request, matchers, limit),
        drafter: speculate && canDraft(request) ? drafterOf(options, cost) : undefined,
        loras,
        arrived: now(),
      });
      request.signal?.addEventListener("abort", abort);
      // An answer that was broken off between its last token and its end is complete.
      if (job.sequence.tokens.length === limit) job.finish("length");
      else enqueue(job);
    } catch (error) {
      stream.fail(error);
    }
    return stream.iterator;
  }

  async function score(request: ScoreRequest): Promise<Float64Array> {
    const { signal, tokens, from } = request;
    checkGenerates(model.config);
    checkScore(request, vocabSize, contextLength);
    checkOpen(signal);
    if (from === tokens.length) return new Float64Array(0);
    return answered<Float64Array>(signal, (reader) =>
      createScoreJob(request, reader, tally, loras, now()),
    );
  }

  async function embed(request: EmbedRequest): Promise<Float32Array> {
    checkEmbed(request, vocabSize, contextLength);
    checkOpen(request.signal);
    return answered<Float32Array>(request.signal, (reader) =>
      createEmbedJob(request, model.config.dim, reader, tally, loras, now()),
    );
  }

  async function savePrefix(tokens: readonly number[], signal?: AbortSignal): Promise<KvPrefix> {
    const count = prefixes.whole(tokens.length);
    checkGenerates(model.config);
    checkScore({ tokens, from: tokens.length }, vocabSize, contextLength);
    // A backend that cannot is found out now, and not in a step.
    const nothingYet = await prefixes.read([], []);
    checkOpen(signal);
    if (count === 0) return nothingYet;
    const beginning = tokens.slice(0, count);
    return answered<KvPrefix>(signal, (reader) =>
      createPrefixJob(beginning, prefixes, reader, now()),
    );
  }

  /** Do a job that answers all at once. */
  async function answered<T>(
    signal: AbortSignal | undefined,
    create: (reader: { resolve(value: T): void; reject(error: RuntimeError): void }) => Job,
  ): Promise<T> {
    let abort = nothing;
    try {
      return await new Promise<T>((resolve, reject) => {
        const job = create({ resolve, reject });
        abort = () => {
          forget(job.sequence);
          reject(aborted());
        };
        enqueue(job);
        signal?.addEventListener("abort", abort);
      });
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  function stats(): EngineStats {
    const { running, waiting, blocksUsed, blocksTotal, prefixQueries, prefixHits } = scheduler.load;
    let taken = preemptions;
    for (const sequence of jobs.keys()) taken += sequence.preemptions;
    return {
      running,
      waiting,
      kvBlocksUsed: blocksUsed,
      kvBlocksTotal: blocksTotal,
      steps,
      rows,
      rowsAhead: backlog.rowsAhead(jobs.keys(), prefixHits / Math.max(prefixQueries, 1)),
      rowsPerSecond: backlog.rowsPerSecond,
      promptTokens: tally.promptTokens,
      generatedTokens: tally.generatedTokens,
      preemptions: taken,
      prefixQueries,
      prefixHits,
      draftedTokens: tally.draftedTokens,
      acceptedTokens: tally.acceptedTokens,
      modelDraftedTokens: tally.modelDraftedTokens,
      modelAcceptedTokens: tally.modelAcceptedTokens,
      ...(experts === undefined ? {} : { expertRows: experts.rows }),
      stalledMs: jobs.size === 0 && state !== "failed" ? 0 : now() - progressed,
    };
  }

  let closed: Promise<void> | undefined;
  async function shutDown(): Promise<void> {
    if (isOpen()) state = "closing";
    wake();
    // A step that an engine was given up for may never end.
    if (latch.value === undefined) await ended;
    endAll(notReady);
    await backend.close();
  }

  return {
    info: {
      backend: backend.name,
      threads: backend.threads,
      kvType: limits.kvType ?? "f32",
      ...(embedsOnly ? { embedsOnly } : {}),
      vocabSize,
      ...(loras.length === 0 ? {} : { lora: loras }),
      contextLength,
      maxRequests: maxJobs,
      memory: backend.memory(),
      loadMs: options.loadMs,
      ...(options.choice === undefined ? {} : { choice: options.choice }),
    },
    generate: (request) => ({ [Symbol.asyncIterator]: () => start(request) }),
    score,
    embed,
    stats,
    step: advance,
    get breakage() {
      return latch.value;
    },
    get broken() {
      return latch.promise;
    },
    abandon,
    onHeartbeat(listener) {
      heartbeat = listener;
    },
    savePrefix,
    restorePrefix: (prefix) => prefixes.add(prefix),
    close: () => (closed ??= shutDown()),
  };
}

function nothing(): void {}
