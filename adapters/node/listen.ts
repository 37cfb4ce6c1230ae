import type { Server } from "node:http";
import { RuntimeError } from "../../core/errors.ts";

/** This machine only: whoever wants the network to reach a server without keys has to say so. */
export const DEFAULT_HOST = "127.0.0.1";
/** llama-server's. */
export const DEFAULT_PORT = 8080;

/** Listen; resolves to the URL. Rejects with the system's error, see {@linkcode listenFailure}. */
export async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("Not a TCP server");
  return `http://${bracketed(host)}:${address.port}`;
}

/** Why a runtime could not listen, and what to do instead. */
export function listenFailure(error: unknown, host: string, port: number): RuntimeError {
  const place = `${bracketed(host)}:${port}`;
  return new RuntimeError(
    "INSUFFICIENT_RESOURCES",
    `Cannot listen on ${place}: ${advice(error, port)}`,
    { cause: error },
  );
}

function advice(error: unknown, port: number): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return `another program has this port; stop it or choose another, e.g. --port ${(port % 65_535) + 1}`;
    case "EACCES":
      return "ports below 1024 need privileges; choose a higher one, e.g. --port 8080";
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return "this machine has no such address; use --host 127.0.0.1, or 0.0.0.0 for all";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

/** IPv6 addresses stand in brackets. */
function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
