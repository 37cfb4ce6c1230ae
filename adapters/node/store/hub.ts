/** Repositories of a hub that speaks Hugging Face's HTTP API. */
import { request } from "undici";
import * as v from "valibot";
import { RuntimeError } from "../../../core/errors.ts";
import { openRemote, type HttpSourceOptions } from "../sources/remote.ts";
import type { RepositoryFile } from "./pick-files.ts";

/** A model's place on a hub. */
export interface HubPlace {
  readonly repository: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  readonly quant: string | undefined;
}

/** A repository at one commit. */
export interface Repository {
  readonly files: readonly RepositoryFile[];
  readonly license: string | undefined;
  /** The address of a file. */
  readonly urlOf: (path: string) => URL;
}

/** The list of a repository's files is text; the longest have some thousand entries. */
const MAX_ANSWER_BYTES: number = 16 * 2 ** 20;

const ANSWER = v.object({
  sha: v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/)),
  cardData: v.nullish(v.object({ license: v.nullish(v.unknown()) })),
  tags: v.nullish(v.array(v.string())),
  siblings: v.array(
    v.object({
      rfilename: v.string(),
      size: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
      blobId: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/))),
      lfs: v.nullish(
        v.object({ sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)), size: v.number() }),
      ),
    }),
  ),
});

/** `hf:owner/repository`, with `@revision` and `:quantisation` where they are given; `undefined` for others. */
export function parseHubPlace(source: string): HubPlace | undefined {
  const [, repository, revision, quant] =
    /^hf:(?:\/\/)?([\w.-]+\/[\w.-]+?)(?:@([\w./-]+))?(?::([\w.-]+))?$/.exec(source) ?? [];
  if (repository === undefined || /(^|\/)\.{1,2}($|\/)/.test(`${repository}/${revision ?? ""}`)) {
    return undefined;
  }
  return { repository, revision: revision ?? "main", quant };
}

/**
 * Ask a hub what a repository holds. `HF_ENDPOINT` names another hub than Hugging Face's, and `HF_TOKEN` is sent to
 * it, and to no other host. Rejects with `MODEL_NOT_FOUND`, `MODEL_UNSUPPORTED` and `NOT_READY`.
 */
export async function openRepository(
  { repository, revision }: HubPlace,
  hub: Hub,
  options: HttpSourceOptions,
): Promise<Repository> {
  const url = new URL(
    `${hub.endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`,
  );
  const answer = await getJson(url, repository, { ...options, headers: hub.headers });
  const result = v.safeParse(ANSWER, answer);
  if (!result.success) {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot read ${repository}: ${url.host} answers as no hub does (${result.issues[0].message})`,
    );
  }
  const { sha, cardData, tags, siblings } = result.output;
  const tagged = tags?.find((tag) => tag.startsWith("license:"))?.slice("license:".length);
  const license = typeof cardData?.license === "string" ? cardData.license : tagged;
  return {
    license,
    files: siblings.flatMap(({ rfilename: path, size, blobId, lfs }) => {
      if (!isPlain(path)) return [];
      if (lfs !== undefined && lfs !== null) return { path, size: lfs.size, sha256: lfs.sha256 };
      const plain = { path, size: size ?? 0 };
      return blobId === undefined ? plain : Object.assign(plain, { gitSha1: blobId });
    }),
    urlOf: (path) =>
      new URL(
        `${hub.endpoint}/${repository}/resolve/${sha}/${path.split("/").map(encodeURIComponent).join("/")}`,
      ),
  };
}

/** Where the hub is, and what it gets with every request. */
export interface Hub {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The hub that the environment names. */
export function hubOf(env: Readonly<Record<string, string | undefined>> = process.env): Hub {
  const token = env["HF_TOKEN"];
  return {
    endpoint: (env["HF_ENDPOINT"] ?? "https://huggingface.co").replace(/\/+$/, ""),
    headers: token === undefined || token === "" ? {} : { authorization: `Bearer ${token}` },
  };
}

/** A path that leads nowhere else and shows nothing odd. */
function isPlain(path: string): boolean {
  return path.length <= 512 && /^[^\p{C}\\]+$/u.test(path) && !/^\/|(^|\/)\.{0,2}(\/|$)/.test(path);
}

async function getJson(url: URL, repository: string, options: HttpSourceOptions): Promise<unknown> {
  const { target, close } = openRemote(url, options);
  try {
    const { statusCode, body } = await request(url, {
      dispatcher: target.dispatcher,
      signal: target.signal,
      headers: { ...target.headers, accept: "application/json" },
    });
    checkStatus(repository, url.host, statusCode);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size > MAX_ANSWER_BYTES) throw new Error(`its answer is over ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch (cause) {
    if (RuntimeError.is(cause)) throw cause;
    if (options.signal?.aborted === true) throw options.signal.reason;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RuntimeError("NOT_READY", `Cannot reach ${url.host}: ${why}`, { cause });
  } finally {
    await close();
  }
}

function checkStatus(repository: string, host: string, status: number): void {
  if (status === 200) return;
  // Hugging Face answers 401 for what does not exist, lest anybody learn what does.
  if (status === 401 || status === 403 || status === 404) {
    throw new RuntimeError(
      "MODEL_NOT_FOUND",
      `Cannot find ${repository} on ${host} (${status}): check its name; if it is private or gated, set HF_TOKEN`,
    );
  }
  throw new RuntimeError("NOT_READY", `Cannot read ${repository}: ${host} answered ${status}`);
}
