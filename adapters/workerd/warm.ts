import type { ChatMessage } from "../../core/chat/template.ts";
import type { KvPrefix } from "../../core/engine/kv-prefix.ts";
import type { SteppedEngine } from "../../core/engine/stepped-engine.ts";
import { numericsOf } from "../../core/engine/numerics.ts";
import { RuntimeError } from "../../core/errors.ts";
import {
  decodeSnapshot,
  encodeSnapshot,
  type SnapshotFacts,
} from "../../core/kv-snapshot/codec.ts";
import { driveSteps } from "./driven-engine.ts";

/** A beginning that conversations share, whose keys and values are kept between isolates. */
export interface WarmStart<Env> {
  /** What they begin with: a system prompt. */
  readonly messages: readonly ChatMessage[];
  /** What was last written, from R2 or the like; `null` where there is nothing. */
  readonly read: (env: Env) => Promise<ArrayBuffer | null>;
  /** Keep a snapshot, in place of the one before. */
  readonly write: (env: Env, snapshot: Uint8Array<ArrayBuffer>) => Promise<unknown>;
}

/**
 * Have `engine` know the keys and values of `tokens`: from the snapshot, or where there is none that is ours,
 * by computing them; then they are saved through `later`, which outlives the request. A snapshot that is
 * damaged or of another model is computed anew; that storage fails costs time, and no answer. Gives the bytes
 * that are kept in memory.
 */
export async function warmUp<Env>(
  engine: SteppedEngine,
  tokens: readonly number[],
  model: string,
  store: WarmStart<Env>,
  env: Env,
  later: (work: Promise<unknown>) => void,
): Promise<number> {
  const { info } = engine;
  const facts: SnapshotFacts = { model, numerics: numericsOf(info), vocabSize: info.vocabSize };
  const saved = await restored(engine, tokens, facts, () => store.read(env));
  if (saved !== undefined) return saved.data.byteLength;
  const prefix = await driveSteps(engine, engine.savePrefix(tokens));
  if (prefix.tokens.length === 0) return 0;
  await engine.restorePrefix(prefix);
  later(encodeSnapshot(prefix, facts).then((bytes) => store.write(env, bytes)));
  return prefix.data.byteLength;
}

/** What was saved, where it is what `tokens` would give. */
async function restored(
  engine: SteppedEngine,
  tokens: readonly number[],
  facts: SnapshotFacts,
  read: () => Promise<ArrayBuffer | null>,
): Promise<KvPrefix | undefined> {
  const bytes = await read().catch(() => null);
  if (bytes === null) return undefined;
  try {
    const prefix = await decodeSnapshot(new Uint8Array(bytes), facts);
    const isOurs =
      prefix.tokens.length > 0 && prefix.tokens.every((token, i) => token === tokens[i]);
    if (!isOurs) return undefined;
    await engine.restorePrefix(prefix);
    return prefix;
  } catch (error) {
    if (error instanceof RangeError || RuntimeError.is(error)) return undefined;
    throw error;
  }
}
