import type { GgufModel } from "../../core/gguf/gguf.ts";
import { openGguf } from "../../core/gguf/parse.ts";
import type { ByteSource } from "../../core/gguf/source.ts";
import { adaptedDigest } from "../../core/lora/adapted-digest.ts";
import { checkLoras } from "../../core/lora/check.ts";
import { readGgufLora } from "../../core/lora/gguf-lora.ts";
import { closeLoras, type NamedLora } from "../../core/lora/load-lora.ts";
import type { LoraFile } from "../../core/lora/lora-file.ts";
import { openPeftLora } from "../../core/lora/peft-lora.ts";
import { fileDigest, sha256 } from "./digest.ts";
import { remoteOptions } from "./header.ts";
import type { LoraSource } from "./lora-source.ts";
import type { HttpSourceOptions } from "./sources/http-source.ts";
import { openFolder } from "./sources/open-folder.ts";
import { openSource } from "./sources/open-source.ts";

/** An adapter whose files are open. */
export interface OpenedLora extends NamedLora {
  /** Its files on disk; none behind a URL. */
  readonly files: readonly string[];
}

/** An adapter that is loaded with a model. */
export interface LoraFacts {
  /** What requests call it. */
  readonly name: string;
  /** How much of it is taken unless a request says otherwise. */
  readonly scale: number;
  /** The largest rank of its factors. */
  readonly rank: number;
  /** Identifies it: sha256 of its files in hex, a shorter fingerprint for a URL. */
  digest(): Promise<string>;
}

/**
 * Open adapters of a model and check that they are. All are closed where one fails. Rejects with `MODEL_NOT_FOUND`,
 * `MODEL_MALFORMED`, `MODEL_UNSUPPORTED`, `INVALID_REQUEST`.
 */
export async function openLoras(
  sources: readonly LoraSource[],
  model: GgufModel,
  modelHosts: readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<readonly OpenedLora[]> {
  const opened: OpenedLora[] = [];
  try {
    for (const { name, location } of sources) {
      const options = remoteOptions(location, modelHosts, signal);
      opened.push({ name, ...(await openOne(location, model, options)) });
    }
    checkLoras(opened, model);
    return opened;
  } catch (error) {
    await closeLoras(opened);
    throw error;
  }
}

async function openOne(
  location: string,
  model: GgufModel,
  options: HttpSourceOptions,
): Promise<Omit<OpenedLora, "name">> {
  const files: string[] = [];
  const remember = (source: ByteSource): ByteSource => {
    if (!/^https?:\/\//i.test(source.name)) files.push(source.name);
    return source;
  };
  const folder = await openFolder(location, options);
  if (folder !== undefined) {
    const open = async (name: string): Promise<ByteSource> => remember(await folder.open(name));
    return { file: await openPeftLora({ name: folder.name, open }, model), files };
  }
  const gguf = await openGguf(remember(await openSource(location, options)));
  try {
    return { file: readGgufLora(gguf, location), files };
  } catch (error) {
    await gguf.close();
    throw error;
  }
}

/** What is known of adapters once their files are closed. */
export function loraFacts(
  sources: readonly LoraSource[],
  opened: readonly OpenedLora[],
): readonly LoraFacts[] {
  return opened.map(({ name, file, files }, i) => {
    const { location, scale = 1 } = sources[i]!;
    const ranks = [...file.sites.values()].map(({ down }) => down.shape[0]!);
    let digest: Promise<string> | undefined;
    const identity = files.length > 0 ? undefined : identityOf(location, file);
    return {
      name,
      scale,
      rank: Math.max(...ranks),
      digest: () =>
        (digest ??= identity === undefined ? fileDigest(files) : Promise.resolve(identity)),
    };
  });
}

/** Of an adapter behind a URL, which would have to be fetched a second time: its place, its size and its factors. */
function identityOf(location: string, { byteLength, sites }: LoraFile): string {
  const { origin, pathname } = new URL(location);
  const factors = [...sites].map(
    ([weight, { down, up, gain }]) =>
      `${weight} ${gain} ${[down, up].map(({ type, shape, offset }) => `${type} ${shape.join("x")} ${offset}`).join(" ")}`,
  );
  return sha256([`${origin}${pathname}`, byteLength, ...factors].join("\n"));
}

/** The digest of a model of which every request takes so much of each adapter; the model's own where there is none. */
export async function digestWith(
  model: () => Promise<string>,
  loras: readonly Pick<LoraFacts, "digest" | "scale">[],
): Promise<string> {
  if (loras.length === 0) return model();
  const weighed = await Promise.all(
    loras.map(async ({ digest, scale }) => ({ digest: await digest(), scale })),
  );
  return adaptedDigest(await model(), weighed);
}
