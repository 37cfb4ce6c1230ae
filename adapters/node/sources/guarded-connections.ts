import { lookup as resolve } from "node:dns";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { Agent, type Dispatcher } from "undici";
import { RuntimeError } from "../../../core/errors.ts";

/**
 * Connections to public addresses only. A URL, a redirection or a name's address that leads into this
 * machine, its network or a cloud's metadata service is refused with `MODEL_UNSUPPORTED`, unless the
 * host is among `allowed` by the name that the URL gives it.
 *
 * A name is resolved once for each connection, and what has been checked is what is connected to, so
 * that a name server which changes its mind in between gains nothing.
 */
export function guardedAgent(options: Agent.Options, allowed: readonly string[]): Agent {
  return new Agent({ ...options, connect: { lookup: guardedLookup(allowed) } });
}

/** Checks hosts that are addresses, which are never looked up; to be composed below redirections. */
export function addressGuard(allowed: readonly string[]): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    const { hostname } = new URL(String(options.origin));
    const address = hostname.replace(/^\[|\]$/g, "");
    if (ipaddr.isValid(address) && !allowed.includes(hostname)) checkAddress(hostname, address);
    return dispatch(options, handler);
  };
}

function guardedLookup(allowed: readonly string[]): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      try {
        // One private address among public ones is enough to be refused: any of them may be taken.
        if (!allowed.includes(hostname))
          for (const { address } of addresses) checkAddress(hostname, address);
      } catch (refused) {
        callback(refused as NodeJS.ErrnoException, []);
        return;
      }
      const [first] = addresses;
      if (options.all === true) callback(null, addresses);
      else callback(null, first?.address ?? "", first?.family);
    });
  };
}

function checkAddress(hostname: string, address: string): void {
  if (isPublic(address)) return;
  throw new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot fetch from ${hostname}: ${address} is not a public address; where that is meant, allow it with --model-host ${hostname} or SIROCCO_MODEL_HOSTS`,
  );
}

/** Whether anybody on the internet has this address; everything reserved, private or embedded has not. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  return ipaddr.process(address).range() === "unicast";
}
