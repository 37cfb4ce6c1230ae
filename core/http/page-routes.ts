import type { AppRoute } from "./app-route.ts";
import type { AppDeps, HttpLimits } from "./deps.ts";
import { BROWSER_CSP, PAGE_CSP, PAGE_HTML } from "./page/generated.ts";
import { decoded, notFound } from "./path.ts";
import { createDownloads, ISOLATED, sendCode } from "./shared-file.ts";

/** The page, and what it needs to answer in the browser where that is allowed. */
export function pageRoutes(deps: AppDeps, limits: HttpLimits): readonly AppRoute[] {
  const { browserCode } = deps;
  const root: AppRoute = ["GET", "/", "public", () => page(browserCode !== undefined)];
  if (browserCode === undefined) return [root];
  const downloads = createDownloads(limits);
  return [
    root,
    [
      "GET",
      `${CODE_PATH}:path{.+}`,
      "public",
      (_, { path }) => {
        const file = browserCode.get(path.slice(CODE_PATH.length));
        if (file === undefined) throw notFound(path);
        return sendCode(file, limits);
      },
    ],
    [
      "GET",
      `${FILES_PATH}:name`,
      "inference",
      (request, exchange) => {
        const name = decoded(exchange.path.slice(FILES_PATH.length));
        for (const { id, digest, files = [] } of deps.models()) {
          const file = files.find((each) => each.name === name);
          if (file === undefined) continue;
          exchange.note({ model: id });
          exchange.caller.checkModel(id);
          return downloads.send(request, file, digest);
        }
        throw notFound(exchange.path);
      },
    ],
  ];
}

/** Modules carry no keys, so the code is public; it says nothing of this server. */
const CODE_PATH = "/browser/";
/** Files of models. */
const FILES_PATH = "/models/";

function page(answersByItself: boolean): Response {
  return new Response(PAGE_HTML, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": answersByItself ? BROWSER_CSP : PAGE_CSP,
      // Threads share memory in pages that nothing else can look into.
      ...(answersByItself ? { ...ISOLATED, "cross-origin-opener-policy": "same-origin" } : {}),
      "referrer-policy": "no-referrer",
      "cache-control": "no-cache",
    },
  });
}
