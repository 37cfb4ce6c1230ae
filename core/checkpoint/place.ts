/** Where a tensor of a checkpoint belongs, by its name. */
import type { CheckpointArchitecture } from "./architectures.ts";

/** The most experts of a layer; the largest known models have 512. */
const MAX_EXPERTS = 1024;

/** Where a tensor belongs. */
export interface Place {
  readonly name: string;
  readonly expert: number | undefined;
}

/** Checkpoints of several kinds put the language model at different depths. */
const PREFIX = /^(?:(?:model|language_model|bert)\.)+/;

/** The place of a name; `undefined` where the family has none. */
export function placeOf(name: string, architecture: CheckpointArchitecture): Place | undefined {
  const [, path, kind] = /^(.+)\.(weight|bias)$/.exec(name.replace(PREFIX, "")) ?? [];
  if (path === undefined || kind === undefined) return undefined;
  const [, layer, part] = /^(?:encoder\.layer|layers)\.(\d{1,5})\.(.+)$/.exec(path) ?? [];
  if (layer === undefined || part === undefined) {
    const outside = lookUp(architecture.outside, path);
    return outside === undefined ? undefined : { name: `${outside}.${kind}`, expert: undefined };
  }
  const [, digits] = /experts\.(\d{1,4})\./.exec(part) ?? [];
  const expert = digits === undefined ? undefined : Number(digits);
  if (expert !== undefined && expert >= MAX_EXPERTS) return undefined;
  const found = lookUp(architecture.layer, part.replace(/experts\.\d+\./, "experts.*."));
  return found === undefined
    ? undefined
    : { name: `blk.${Number(layer)}.${found}.${kind}`, expert };
}

/** Names come from a file: one may be `constructor`. */
function lookUp(names: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(names, name) ? names[name] : undefined;
}
