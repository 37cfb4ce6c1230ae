import type { Embedded } from "../embeddings.ts";
import type { AskedEmbeddings } from "./asked.ts";

/** OpenAI's and Mistral's list of embeddings. */
export function toEmbeddingList(
  { id, model, vectors, promptTokens }: Embedded,
  { base64 }: AskedEmbeddings,
): object {
  return {
    id,
    object: "list",
    data: vectors.map((vector, index) => ({
      object: "embedding",
      index,
      embedding: base64 ? toBase64(vector) : Array.from(vector),
    })),
    model,
    usage: { prompt_tokens: promptTokens, completion_tokens: 0, total_tokens: promptTokens },
  };
}

/** Little-endian floats of 32 bits. */
function toBase64(vector: Float32Array): string {
  const view = new DataView(new ArrayBuffer(vector.length * 4));
  for (const [i, value] of vector.entries()) view.setFloat32(i * 4, value, true);
  let binary = "";
  for (const byte of new Uint8Array(view.buffer)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
