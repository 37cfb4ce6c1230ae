import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Files by path, as a server gives them. */
export interface FileServer {
  /** `http://localhost:1234`; browsers count it as secure. */
  readonly base: string;
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html",
  js: "text/javascript",
  json: "application/json",
  mjs: "text/javascript",
  wasm: "application/wasm",
};

/** Serve what `find` gives for a path: a file, or a text. Where `isolated`, browsers offer shared memory. */
export async function serveFiles(
  find: (path: string) => { readonly file: string } | { readonly text: string } | undefined,
  isolated = true,
): Promise<FileServer> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const found = find(pathname);
    const extension = /\.(\w+)$/.exec(
      found !== undefined && "file" in found ? found.file : pathname,
    );
    response.setHeader(
      "content-type",
      TYPES[extension?.[1] ?? "html"] ?? "application/octet-stream",
    );
    if (isolated) {
      response.setHeader("cross-origin-opener-policy", "same-origin");
      response.setHeader("cross-origin-embedder-policy", "require-corp");
    }
    if (found === undefined || ("file" in found && !existsSync(found.file))) {
      response.writeHead(404).end();
    } else if ("text" in found) {
      response.end(found.text);
    } else {
      response.setHeader("content-length", statSync(found.file).size);
      createReadStream(found.file).pipe(response);
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    base: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
