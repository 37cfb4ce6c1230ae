/** What llama.cpp says about a model: the perplexity of a text, and greedy continuations of prompts. */

/**
 * Perplexity by the definition of llama.cpp's own `llama-perplexity` (tools/perplexity): the text is cut into whole chunks of `ctx` tokens,
 * the first token of each gives way to the begin-of-sequence token where the model wants one, and only tokens with at least half a chunk
 * before them are judged: `ctx - ctx / 2 - 1` of each chunk.
 * @returns {Promise<{ tokens: number, nll: number, ppl: number, chunks: number }>}
 */
export async function perplexity(llama, text, ctx, maxChunks = Infinity) {
  const ids = llama.tokenize(text);
  if (llama.addBos) ids.unshift(llama.bos);
  const chunks = Math.min(Math.floor(ids.length / ctx), maxChunks);
  if (chunks < 1)
    throw new Error(
      `Cannot measure perplexity: ${ids.length} tokens are less than one chunk of ${ctx}.`,
    );
  const first = Math.floor(ctx / 2);
  const judged = Array.from({ length: ctx - first - 1 }, (_, i) => first + i);
  let sum = 0;
  for (let c = 0; c < chunks; c++) {
    const chunk = ids.slice(c * ctx, (c + 1) * ctx);
    if (llama.addBos) chunk[0] = llama.bos;
    llama.reset();
    const handles = await llama.decode(chunk, 0, judged);
    for (const [i, position] of judged.entries())
      sum -= await llama.logprob(handles[i], chunk[position + 1]);
  }
  const tokens = chunks * judged.length;
  return { tokens, nll: sum / tokens, ppl: Math.exp(sum / tokens), chunks };
}

/**
 * The likeliest continuation of a raw prompt (no chat template), ending early at an end-of-generation token, which is not part of it.
 * `margins[i]` is the distance of the two highest logits when `tokens[i]` was chosen.
 * @returns {Promise<{ prompt: string, promptTokens: number[], tokens: number[], margins: number[], text: string }>}
 */
export async function greedy(llama, prompt, count) {
  const promptTokens = llama.tokenize(prompt);
  if (llama.addBos) promptTokens.unshift(llama.bos);
  llama.reset();
  let position = promptTokens.length;
  let [handle] = await llama.decode(promptTokens, 0, [position - 1]);
  const tokens = [];
  const margins = [];
  while (tokens.length < count) {
    const { token, margin } = await llama.best(handle);
    if (llama.isEnd(token)) break;
    tokens.push(token);
    margins.push(margin);
    [handle] = await llama.decode([token], position++, [0]);
  }
  return { prompt, promptTokens, tokens, margins, text: llama.detokenize(tokens) };
}
