import { RuntimeError } from "../../../core/errors.ts";
import type { PoolNode } from "../../../core/pool/nodes.ts";

/** More nodes than this are asked by probes more often than by requests. */
const MOST_NODES = 64;

/**
 * Nodes as they are written: `http://10.0.0.5:8080`, or with a name before it, `a=http://10.0.0.5:8080`; those
 * without are `node-1`, `node-2`, … These addresses come from whoever runs the server, never from a request, and
 * may therefore be private. Throws `INVALID_REQUEST`.
 */
export function parseNodes(written: readonly string[]): readonly PoolNode[] {
  const nodes = written.map((text, i) => parseNode(text, `node-${i + 1}`));
  const names = nodes.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw wrong(twice, "another node has this name");
  if (nodes.length > MOST_NODES)
    throw wrong(`${nodes.length} nodes`, `at most ${MOST_NODES} will do`);
  return nodes;
}

function parseNode(text: string, otherwise: string): PoolNode {
  const [, name = otherwise, url = ""] = /^(?:([\w.-]{1,60})=)?(.*)$/s.exec(text) ?? [];
  return { name, origin: parseServer(url).origin };
}

/** The address of a server, http or https, without user or query. Throws `INVALID_REQUEST`. */
export function parseServer(url: string): URL {
  if (!URL.canParse(url)) throw wrong(url, "it is no URL");
  const parsed = new URL(url);
  const { protocol, username, password, search, hash } = parsed;
  if (protocol !== "http:" && protocol !== "https:") throw wrong(url, "say http:// or https://");
  if (username + password + search + hash !== "")
    throw wrong(
      parsed.host,
      "an address has no user, query or fragment; keys have settings of their own",
    );
  return parsed;
}

function wrong(what: string, why: string): RuntimeError {
  return new RuntimeError(
    "INVALID_REQUEST",
    `Cannot use the server ${JSON.stringify(what.slice(0, 100))}: ${why}`,
  );
}
