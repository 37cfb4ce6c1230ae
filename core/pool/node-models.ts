/** A model that nodes of the pool serve. */
export interface PoolModel {
  /** The name in requests. */
  readonly id: string;
  /** Other names that requests may use. */
  readonly aliases: readonly string[];
  /** Tokens that one request may hold, prompt and answer together. */
  readonly contextLength: number;
  /** Identifies the weights. */
  readonly digest: string;
  /** `system_fingerprint` of its answers. */
  readonly fingerprint: string;
  /** Whether its chat template depends on the time. */
  readonly readsClock: boolean;
  /** How the node lists it, for our own list. */
  readonly listed: Readonly<Record<string, unknown>>;
}

/** More than a server of ours serves. */
const MOST_MODELS = 100;

/** The models in a node's answer to `GET /v1/models`; what is not as servers of ours write it is left out. */
export function readModels(body: unknown): readonly PoolModel[] {
  const { data } = (body ?? {}) as { data?: unknown };
  if (!Array.isArray(data)) return [];
  return data.slice(0, MOST_MODELS).flatMap((entry: unknown) => readModel(entry) ?? []);
}

function readModel(entry: unknown): PoolModel | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const listed = entry as Readonly<Record<string, unknown>>;
  const ours = (listed["sirocco"] ?? {}) as Readonly<Record<string, unknown>>;
  const { digest, fingerprint, context_length: contextLength, aliases } = ours;
  const { id } = listed;
  if (typeof id !== "string" || typeof digest !== "string" || typeof fingerprint !== "string")
    return undefined;
  if (typeof contextLength !== "number" || !(contextLength > 0)) return undefined;
  const names = Array.isArray(aliases) ? aliases : [];
  return {
    id,
    aliases: names.filter((name) => typeof name === "string"),
    contextLength,
    digest,
    fingerprint,
    // A template of which nobody says that it does not look at the clock may do so.
    readsClock: ours["reads_clock"] !== false,
    listed,
  };
}
