import type { Embedder } from "../cache/semantic/embedder.ts";
import { systemFingerprint } from "../receipt/fingerprint.ts";
import type { ServedModel } from "./deps.ts";
import { toFitting } from "./embeddings.ts";

/** What of a model makes vectors. */
export type EmbeddingModel = Pick<
  ServedModel,
  "engine" | "tokenizer" | "contextLength" | "digest" | "pooling"
>;

/** A model as an embedder of questions: what `/v1/embeddings` would give. */
export function createModelEmbedder(model: EmbeddingModel): Embedder {
  const { pooling = "mean", digest, engine } = model;
  return {
    get name() {
      return `${digest} ${systemFingerprint(digest, engine.info)} ${pooling}`;
    },
    async embed(text, options) {
      const tokens = toFitting(text, 0, model, { truncate: false, inputParam: "question" });
      return await engine.embed({ tokens, pooling, ...options });
    },
  };
}
