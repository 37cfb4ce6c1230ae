import { RuntimeError } from "../../core/errors.ts";
import { openGguf } from "../../core/gguf/parse.ts";
import { streamSource } from "../../core/gguf/stream-source.ts";
import type { ServedLora } from "../../core/http/lora-models.ts";
import { readGgufLora } from "../../core/lora/gguf-lora.ts";
import { closeLoras, type NamedLora } from "../../core/lora/load-lora.ts";
import { digesting, digestOf } from "./digesting.ts";
import { type ModelBody, unbroken } from "./sources.ts";

/** An adapter of low rank that a worker serves beside its model, as `model:name`. */
export interface WorkerLora<Env> {
  /** What requests call it. */
  readonly name: string;
  /** How much of it a request takes that says nothing else; 1 unless given. */
  readonly scale?: number;
  /** Fetch its GGUF file, as `open` of {@linkcode WorkerOptions} does the model's. */
  readonly open: (env: Env, later: (work: Promise<unknown>) => void) => Promise<ModelBody | null>;
}

/** An adapter whose file is open. */
export interface OpenedWorkerLora extends NamedLora {
  /** What requests learn of it. To be called once, when its factors have been read. */
  readonly served: () => Promise<ServedLora>;
}

/** Open adapters; all are closed where one fails. Rejects with `MODEL_NOT_FOUND` and as `readGgufLora` throws. */
export async function openWorkerLoras<Env>(
  loras: readonly WorkerLora<Env>[],
  env: Env,
  later: (work: Promise<unknown>) => void,
): Promise<readonly OpenedWorkerLora[]> {
  const opened: OpenedWorkerLora[] = [];
  try {
    for (const { name, scale = 1, open } of loras) {
      const object = await open(env, later);
      if (object === null) {
        throw new RuntimeError(
          "MODEL_NOT_FOUND",
          `Cannot load the adapter ${name}: there is no such object`,
        );
      }
      const { size, version } = object;
      const passing = digesting(unbroken(object));
      const gguf = await openGguf(streamSource(passing.body, size, name));
      const served = async (): Promise<ServedLora> => {
        return { name, scale, digest: await digestOf(version, passing) };
      };
      try {
        opened.push({ name, file: readGgufLora(gguf, name), served });
      } catch (error) {
        await gguf.close();
        throw error;
      }
    }
    return opened;
  } catch (error) {
    await closeLoras(opened);
    throw error;
  }
}
