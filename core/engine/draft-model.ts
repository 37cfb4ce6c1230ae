import type { Batch, Model } from "../model/model.ts";
import type { Backend, Ops } from "../tensor/backend.ts";
import type { LogitQuery } from "../tensor/logits.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { createLayOut, type RowsOf } from "./batch.ts";
import type { Guesser } from "./job.ts";
import type { PrefixNode, Sequence } from "./sequence.ts";

/** A sequence whose next tokens are to be guessed. */
export interface GuessRequest extends Guesser {
  readonly sequence: Sequence;
  /** Guesses that are wanted; the sequence holds blocks for them. */
  readonly count: number;
}

/** A smaller model of the same vocabulary that guesses what the larger one goes on with. */
export interface DraftModel {
  /** Rows to compute before a sequence's next token can be guessed: 1 where the draft model has kept up. */
  behind(sequence: Sequence): number;
  /**
   * Guess next tokens: sets the `draft` of each sequence. One that the draft model has not kept up with gets nearer,
   * by as many rows as a step has, and guesses once it has caught up. Resolves to how many steps that took.
   */
  guess(requests: readonly GuessRequest[]): Promise<number>;
}

/** How far the draft model is with a sequence. */
interface Progress {
  /** Its tokens from the first on whose keys and values are cached. */
  computed: number;
  /** Guesses behind those that are cached, too. */
  guessed: readonly number[];
  /** Blocks of its beginning that have been noted as filled. */
  noted: number;
  /** As it was when this was true: afterwards its blocks are others. */
  readonly preemptions: number;
}

/**
 * The draft model's cache has the shape of the larger one's and uses the same blocks, so that a block that is given
 * out, shared, kept or taken away is so for both. What it holds may be less: that is kept here, by sequence and for
 * shared blocks by their content. Whatever were wrong here, guesses are verified.
 */
export function createDraftModel(
  backend: Backend,
  model: Model,
  watched: (ops: Ops) => Ops,
): DraftModel {
  const { limits, config } = model;
  const { blockSize, maxRows } = limits;
  const layOut = createLayOut(limits);
  const progress = new WeakMap<Sequence, Progress>();
  /** Which content of a block is filled for this model, too, by its number in the prefix index. */
  const filled = new Map<number, number>();

  function isFilled(node: PrefixNode | undefined, block: number | undefined): boolean {
    return node !== undefined && node.block === block && filled.get(block) === node.id;
  }

  /** Where the draft model is, with guesses that came true counted in. */
  function progressOf(sequence: Sequence): Progress {
    const { tokens, blocks, chain, preemptions } = sequence;
    let own = progress.get(sequence);
    if (own?.preemptions !== preemptions) {
      own = { computed: 0, guessed: [], noted: 0, preemptions };
      progress.set(sequence, own);
    }
    for (const guess of own.guessed) {
      if (tokens[own.computed] !== guess) break;
      own.computed++;
    }
    own.guessed = [];
    // Blocks that it shares may have been filled for another sequence meanwhile.
    for (let next = own.noted; isFilled(chain[next], blocks[next]); next++) {
      own.noted = next + 1;
      own.computed = Math.max(own.computed, own.noted * blockSize);
    }
    // The last one's logits are wanted, so that it is computed again.
    own.computed = Math.min(own.computed, tokens.length - 1);
    // Note the blocks that others may share.
    for (; (own.noted + 1) * blockSize <= own.computed && own.noted < chain.length; own.noted++) {
      const node = chain[own.noted]!;
      if (node.block === blocks[own.noted]) filled.set(node.block, node.id);
    }
    return own;
  }

  async function run(work: readonly RowsOf[]): Promise<Tensor> {
    const batch: Batch = layOut(work);
    model.prepare(batch);
    let output: Tensor | undefined;
    await backend.run((ops) => {
      output = model.forward(watched(ops), batch);
    });
    if (output === undefined) throw new Error("Cannot guess: the backend recorded nothing");
    return output;
  }

  /** Compute rows of those that are more than one behind; returns whether there were any. */
  async function catchUp(requests: readonly GuessRequest[]): Promise<boolean> {
    let room = maxRows;
    /** Blocks that rows of this step lie in: one that several sequences share is filled for one of them. */
    const taken = new Set<number>();
    const rows: RowsOf[] = [];
    const done: (() => void)[] = [];
    for (const { sequence } of requests) {
      const own = progressOf(sequence);
      const count = Math.min(room, sequence.tokens.length - 1 - own.computed);
      if (count <= 0) continue;
      const { tokens, blocks } = sequence;
      const first = Math.floor(own.computed / blockSize);
      const written = blocks.slice(first, Math.ceil((own.computed + count) / blockSize));
      if (written.some((block) => taken.has(block))) continue;
      for (const block of written) taken.add(block);
      room -= count;
      const laid = { tokens, blocks, draft: [], computed: own.computed };
      rows.push({ sequence: laid, rows: count, logitRows: 0 });
      done.push(() => {
        own.computed += count;
      });
    }
    if (rows.length === 0) return false;
    await run(rows);
    for (const advance of done) advance();
    return true;
  }

  /** Guess one token of each request that wants one more. */
  async function guessNext(
    requests: readonly GuessRequest[],
    guesses: readonly number[][],
  ): Promise<boolean> {
    const rows: RowsOf[] = [];
    const queries: LogitQuery[] = [];
    const asking: number[] = [];
    for (const [i, request] of requests.entries()) {
      const { sequence, count } = request;
      const draft = guesses[i]!;
      const { tokens, blocks } = sequence;
      const position = tokens.length - 1 + draft.length;
      if (draft.length >= count || sequence.state !== "running") continue;
      if (position >= Math.min(blocks.length * blockSize, config.contextLength)) continue;
      if (rows.length === Math.min(maxRows, limits.maxLogitRows)) break;
      const query = request.ask(rows.length, draft);
      if (query === undefined) continue;
      queries.push(query);
      rows.push({ sequence: { tokens, blocks, draft, computed: position }, rows: 1, logitRows: 1 });
      asking.push(i);
    }
    if (rows.length === 0) return false;
    const answers = await backend.reduce(await run(rows), queries);
    for (const [row, i] of asking.entries()) {
      const draft = guesses[i]!;
      draft.push(requests[i]!.choose(answers[row]!, draft.length));
    }
    return true;
  }

  return {
    behind: (sequence) => sequence.tokens.length - progressOf(sequence).computed,
    async guess(requests) {
      let steps = (await catchUp(requests)) ? 1 : 0;
      const ready = requests.filter(
        ({ sequence }) =>
          sequence.state === "running" &&
          sequence.tokens.length - progressOf(sequence).computed === 1,
      );
      const guesses = ready.map((): number[] => []);
      while (await guessNext(ready, guesses)) steps++;
      for (const [i, { sequence }] of ready.entries()) {
        const own = progressOf(sequence);
        const draft = guesses[i]!;
        if (draft.length === 0) continue;
        own.computed = sequence.tokens.length;
        // The last guess has not been a row.
        own.guessed = draft.slice(0, -1);
        sequence.draft = draft;
        sequence.draftedBy = "model";
      }
      return steps;
    },
  };
}
