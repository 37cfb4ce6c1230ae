/**
 * llama.cpp under node-llama-cpp, one layer below its public classes: token ids in, logits out, no chat template, no context shifting, no
 * scheduling. `_bindings` is what its own classes stand on; the version is pinned, so a change there shows up as a failing install or test.
 */
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

/** Numbers of ggml's types. */
const KV_TYPES = { f32: 0, f16: 1 };

/**
 * @typedef {object} LlamaOptions
 * @property {string} model path of a GGUF file
 * @property {number} contextSize positions
 * @property {number} [batchSize] largest number of tokens computed at once; llama.cpp's own default is 512
 * @property {number} [threads]
 * @property {"f16" | "f32"} [kv] type of the key and value cache; llama.cpp's own default is f16
 */

/**
 * Opens a model and a context with one sequence. Flash attention is off. The caller must `close()` it.
 * @param {LlamaOptions} options
 */
export async function openLlama({
  model: path,
  contextSize,
  batchSize = 512,
  threads = 2,
  kv = "f16",
}) {
  const llama = await getLlama({
    gpu: false,
    build: "never",
    logLevel: LlamaLogLevel.error,
    progressLogs: false,
  });
  const { _bindings: bindings } = llama;
  const { AddonModel, AddonContext, AddonSampler } = bindings;
  const kvType = KV_TYPES[kv];
  if (kvType === undefined)
    throw new TypeError(`Cannot use "${kv}" for keys and values: give f16 or f32.`);
  const model = new AddonModel(path, {
    addonExports: bindings,
    gpuLayers: 0,
    useMmap: true,
  });
  if (!(await model.init())) throw new Error(`Cannot load ${path} in llama.cpp.`);
  const context = new AddonContext(model, {
    contextSize,
    batchSize,
    sequences: 1,
    flashAttention: false,
    threads,
    kvCacheKeyType: kvType,
    kvCacheValueType: kvType,
  });
  if (!(await context.init()))
    throw new Error(`Cannot make a context of ${contextSize} tokens for ${path} in llama.cpp.`);
  // The engine sets the number of threads at every evaluation; the constructor's value alone is not used everywhere.
  context.setThreads(threads);
  const greedy = new AddonSampler(model);
  greedy.applyConfig({ temperature: 0 });

  /** Computes `tokens` at positions from `start`; resolves with handles of the logits at the given indexes into `tokens`. */
  async function decode(tokens, start, logitIndexes) {
    context.initBatch(tokens.length);
    const handles = context.addToBatch(
      0,
      start,
      Uint32Array.from(tokens),
      Uint32Array.from(logitIndexes),
    );
    await context.decodeBatch();
    return handles;
  }

  return {
    release: `${llama.llamaCppRelease.repo} ${llama.llamaCppRelease.release}`,
    system: llama.systemInfo,
    /** Bytes of all tensors; with tied embeddings that is what one token reads. */
    weightBytes: model.getTotalSize(),
    addBos: model.shouldPrependBosToken(),
    bos: model.tokenBos(),
    /** Plain text to ids; spellings of control tokens in it stay text. */
    tokenize: (text) => Array.from(model.tokenize(text, false)),
    detokenize: (tokens) => model.detokenize(Uint32Array.from(tokens), true),
    isEnd: (token) => model.isEogToken(token),
    decode,
    /** Forgets everything computed so far. */
    reset: () => context.disposeSequence(0),
    /** The likeliest token at a handle. */
    argmax: (handle) => context.sampleToken(handle, greedy),
    /** The likeliest token at a handle, and how far its logit is above the next one: how close a tie the choice was. */
    async best(handle) {
      const [token, , , logits] = await context.sampleToken(handle, greedy, false, false, [
        [],
        false,
        false,
        false,
        2,
      ]);
      return { token, margin: logits[1] - logits[3] };
    },
    /** Natural logarithm of the probability of `token` at a handle, over the whole vocabulary. */
    async logprob(handle, token) {
      // With the greedy sampler "selected" is the highest logit; the weight is the sum of exp(logit - highest).
      const filter = [[token], false, false, true, 0];
      const [best, , , pairs, weight] = await context.sampleToken(
        handle,
        greedy,
        false,
        false,
        filter,
        true,
      );
      const logits = new Map();
      for (let i = 0; i < pairs.length; i += 2) logits.set(pairs[i], pairs[i + 1]);
      return logits.get(token) - logits.get(best) - Math.log(weight);
    },
    async close() {
      greedy.dispose();
      await context.dispose();
      await model.dispose();
      await llama.dispose();
    },
  };
}
