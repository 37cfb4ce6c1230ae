import { RuntimeError } from "../../errors.ts";
import type { Arrival } from "../arrival.ts";

/**
 * Names under which a server on a loopback address is reached. Any other name in `Host` means that a
 * page of another site has its own name point here, so that the browser lets it read the answers.
 */
const LOOPBACK_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** The names that a server accepts: on loopback those of loopback and `more`; elsewhere only `more`, or any. */
export function allowedHosts(
  address: string,
  more: readonly string[] = [],
): readonly string[] | undefined {
  if (isLoopback(address)) return [...LOOPBACK_HOSTS, ...more];
  return more.length === 0 ? undefined : more;
}

/** Whether an address to listen on takes connections of this machine only. */
export function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || /^127(\.\d{1,3}){3}$/.test(address);
}

/** Throws `HOST_NOT_ALLOWED` for a request that was sent to another name than the allowed ones. */
export function checkHost(request: Arrival, allowed: readonly string[]): void {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  const name = host.replace(/:\d*$/, "").toLowerCase();
  if (allowed.includes(name)) return;
  throw new RuntimeError(
    "HOST_NOT_ALLOWED",
    `Cannot answer for the host ${JSON.stringify(host.slice(0, 100))}: allowed are ${allowed.join(", ")}`,
  );
}
