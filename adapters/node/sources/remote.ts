/** A file behind a URL, and the connections by which it is fetched. */
import { interceptors } from "undici";
import type { Dispatcher } from "undici";
import { RuntimeError } from "../../../core/errors.ts";
import { addressGuard, guardedAgent } from "./guarded-connections.ts";
import type { RangeRequest } from "./range-request.ts";

/** How a file is fetched. */
export interface HttpSourceOptions {
  /** Connections to use instead of our own; the caller closes them, and checks where names lead. */
  readonly dispatcher?: Dispatcher;
  /** Hosts that may have private addresses, as the URL names them; none unless given. */
  readonly allowHosts?: readonly string[];
  /** Ends the source: reads under way and later ones reject with its reason. */
  readonly signal?: AbortSignal;
  /** Sent with every request; `authorization` and `cookie` stay behind when another host takes over. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Wait before the second try, doubled for each further one; half of it is chance. 250 ms. */
  readonly retryDelayMs?: number;
}

/** Silence after which a server counts as gone. */
const SILENCE_MS = 30_000;
/** Enough for a loader that reads a few tensors at a time. */
const CONNECTIONS = 4;
/** Hosts of models usually redirect once, to where the bytes are. */
const MAX_REDIRECTIONS = 5;

/** What is asked, and how to end it. */
export interface Remote {
  readonly target: RangeRequest;
  /** End requests under way, and connections that are our own. */
  readonly close: () => Promise<void>;
}

/** Prepare to fetch a file; nothing is sent yet. */
export function openRemote(url: string | URL, options: HttpSourceOptions = {}): Remote {
  const address = new URL(url);
  const { allowHosts = [] } = options;
  // Queries carry signatures, and user names passwords: neither belongs in an error or a log.
  const name = `${address.origin}${address.pathname}`;
  const own =
    options.dispatcher === undefined
      ? guardedAgent(
          { connections: CONNECTIONS, headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS },
          allowHosts,
        )
      : undefined;
  const closed = new AbortController();
  const signal =
    options.signal === undefined ? closed.signal : AbortSignal.any([closed.signal, options.signal]);
  const target: RangeRequest = {
    url: address,
    name,
    dispatcher: (options.dispatcher ?? own!).compose(
      addressGuard(allowHosts),
      interceptors.redirect({ maxRedirections: MAX_REDIRECTIONS }),
    ),
    headers: options.headers ?? {},
    signal,
  };
  const close = async (): Promise<void> => {
    closed.abort(new RuntimeError("ABORTED", `Cannot read ${name}: it was closed`));
    await own?.destroy();
  };
  return { target, close };
}
