import { POOLING_FILE } from "../../../core/checkpoint/open.ts";
import { RuntimeError } from "../../../core/errors.ts";

/** A file of a repository. */
export interface RepositoryFile {
  readonly path: string;
  readonly size: number;
  /** Where the hub says it: files kept by Git itself have only `gitSha1`. */
  readonly sha256?: string;
  readonly gitSha1?: string;
}

/** What is taken of a repository. */
export interface Picked {
  readonly files: readonly RepositoryFile[];
  /** The quantisation by which a GGUF file was chosen. */
  readonly quant: string | undefined;
}

/** Of several quantisations, unless one is asked for: small, and still close to the original. */
const PREFERRED = ["q4_k_m", "q4_0", "q4_1", "q5_k_m", "q5_0", "q8_0", "f16", "bf16", "f32"];

/** Parts of a checkpoint that say how to read the weights. */
const CHECKPOINT_FILES: ReadonlySet<string> = new Set([
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer.model",
  "tekken.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "chat_template.json",
  "README.md",
  "vocab.txt",
  POOLING_FILE,
]);

/**
 * The files of a repository that make one model: GGUF files of one quantisation, or else a checkpoint. Throws
 * `MODEL_NOT_FOUND` where there is no such model, listing what there is.
 */
export function pickFiles(
  repository: string,
  files: readonly RepositoryFile[],
  quant: string | undefined,
): Picked {
  const models = files.filter(({ path }) => /\.gguf$/i.test(path) && !/mmproj|imatrix/i.test(path));
  if (models.length > 0) return pickGguf(repository, models, quant);
  // Only beside the configuration: what lies deeper belongs to somebody else.
  const checkpoint = files.filter(
    ({ path }) =>
      CHECKPOINT_FILES.has(path) ||
      /^model(-\d{5}-of-\d{5})?\.safetensors$|^model\.safetensors\.index\.json$/.test(path),
  );
  const has = (pattern: RegExp): boolean => checkpoint.some(({ path }) => pattern.test(path));
  if (quant === undefined && has(/^config\.json$/) && has(/\.safetensors$/)) {
    return { files: checkpoint, quant: undefined };
  }
  throw new RuntimeError(
    "MODEL_NOT_FOUND",
    quant === undefined
      ? `Cannot find a model in ${repository}: it has neither GGUF files nor config.json with model.safetensors`
      : `Cannot find ${quant} in ${repository}: it has no GGUF files; without a quantisation its safetensors are taken`,
  );
}

function pickGguf(
  repository: string,
  models: readonly RepositoryFile[],
  quant: string | undefined,
): Picked {
  const byQuant = new Map<string, RepositoryFile[]>();
  for (const file of models) {
    const key = quantOf(file.path);
    byQuant.set(key, [...(byQuant.get(key) ?? []), file]);
  }
  const wanted =
    quant?.toLowerCase() ??
    PREFERRED.find((name) => byQuant.has(name)) ??
    (byQuant.size === 1 ? [...byQuant.keys()][0] : undefined);
  const found = wanted === undefined ? undefined : byQuant.get(wanted);
  if (wanted === undefined || found === undefined) {
    const known = [...byQuant.keys()].join(", ");
    throw new RuntimeError(
      "MODEL_NOT_FOUND",
      `Cannot find ${quant ?? "a usual quantisation"} in ${repository}: there are ${known}; name one, as in hf:${repository}:${[...byQuant.keys()][0]}`,
    );
  }
  return { files: oneModel(found), quant: wanted };
}

/** `q4_k_m` out of `Model-7B.Q4_K_M-00001-of-00002.gguf`; the name itself where it says none. */
function quantOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/(-\d{5}-of-\d{5})?\.gguf$/i, "");
  const [, quant] = /(?:^|[-._])((?:iq|tq|q)\d\w*|mxfp4\w*|b?f16|f32)$/i.exec(name) ?? [];
  return (quant ?? name).toLowerCase();
}

/** All files of a split model, or one file; the first by name where a repository has several alike. */
function oneModel(files: readonly RepositoryFile[]): readonly RepositoryFile[] {
  const [first] = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const [, stem, count] = /^(.*)-\d{5}-of-(\d{5})\.gguf$/i.exec(first!.path) ?? [];
  if (stem === undefined || count === undefined) return [first!];
  return Array.from({ length: Number(count) }, (_, i) => {
    const path = `${stem}-${String(i + 1).padStart(5, "0")}-of-${count}.gguf`;
    const part = files.find((file) => file.path.toLowerCase() === path.toLowerCase());
    if (part !== undefined) return part;
    throw new RuntimeError(
      "MODEL_NOT_FOUND",
      `Cannot find ${path}: a part of the model is missing`,
    );
  });
}
