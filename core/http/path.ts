import { RuntimeError } from "../errors.ts";

/** Where a host begins at the earliest, and its path at the earliest after that: `https://` is one longer. */
const SHORTEST_SCHEME = "https://".length;

/** The path of a request's URL, which has neither user names nor fragments. */
export function pathOf(url: string): string {
  const begin = url.indexOf("/", SHORTEST_SCHEME);
  if (begin === -1) return "/";
  const end = url.indexOf("?", begin);
  return end === -1 ? url.slice(begin) : url.slice(begin, end);
}

/** A part of a path without its escapes. */
export function decoded(written: string): string {
  try {
    return decodeURIComponent(written);
  } catch {
    // What is not written as URLs are names nothing.
    return written;
  }
}

/** For a path that leads nowhere. */
export function notFound(path: string): RuntimeError {
  return new RuntimeError("NOT_FOUND", `Cannot find ${path.slice(0, 200)}`);
}
