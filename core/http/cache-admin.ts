import { RuntimeError } from "../errors.ts";
import { readJson } from "./body.ts";
import type { AnswerCaching } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { findAnywhere } from "./found-model.ts";
import type { Server } from "./pipeline.ts";
import { check } from "./wire/check.ts";
import { maybe, object, text } from "./wire/fields.ts";

/** What whoever administers a server may do to answers that are kept. */
export interface CacheRoute {
  readonly method: "POST" | "DELETE";
  /** As hono writes it. */
  readonly path: string;
  readonly answer: (request: Request, exchange: Exchange) => Response | Promise<Response>;
}

/** Entries of the semantic cache, by the id of the answer. */
const SEMANTIC_PATH = "/admin/semantic-cache/";

const purging = object({ model: maybe(text(1, 256)), tenant: maybe(text(1, 256)) });

/** The routes there are where answers are kept; none elsewhere. */
export function cacheRoutes(server: Pick<Server, "deps" | "limits">): readonly CacheRoute[] {
  const { caching } = server.deps;
  if (caching === undefined) return [];
  return [purge(caching, server), ...semanticRoutes(caching)];
}

/**
 * `POST /admin/cache/purge` with `{"tenant": …}` or `{"model": …}`: from now on nothing that was kept for it is given,
 * by this server at once and within a second by those that share its last store.
 */
function purge(
  { answers }: AnswerCaching,
  { deps, limits }: Pick<Server, "deps" | "limits">,
): CacheRoute {
  return {
    method: "POST",
    path: "/admin/cache/purge",
    async answer(request, exchange) {
      const { model, tenant } = check(purging, await readJson(request, limits));
      if ((model === undefined) === (tenant === undefined)) {
        throw new RuntimeError("INVALID_REQUEST", "Cannot purge: name a model or a tenant");
      }
      const tag =
        model === undefined ? `tenant:${tenant}` : `model:${findAnywhere(deps, model).digest}`;
      await answers.purges.purge(tag);
      exchange.note({ purged: tag });
      return Response.json({ purged: tag });
    },
  };
}

/** `DELETE /admin/semantic-cache/<id>`: take out an answer that was given to a question it does not answer. */
function semanticRoutes({ semantic }: AnswerCaching): readonly CacheRoute[] {
  if (semantic === undefined) return [];
  return [
    {
      method: "DELETE",
      path: `${SEMANTIC_PATH}:id`,
      answer(_, exchange) {
        // Ids of answers have no letters that are written otherwise in paths.
        const id = exchange.path.slice(SEMANTIC_PATH.length, SEMANTIC_PATH.length + MAX_ID);
        if (!semantic.evict(id)) {
          throw new RuntimeError("NOT_FOUND", `Cannot evict ${id}: no answer to other questions`);
        }
        exchange.note({ evicted: id });
        return Response.json({ id, evicted: true });
      },
    },
  ];
}

/** Longer than every id. */
const MAX_ID = 200;
