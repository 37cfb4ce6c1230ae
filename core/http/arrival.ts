/** What is read of a request before its body: a `Request`, or what a runtime has before it makes one. */
export interface Arrival {
  /** In capitals. */
  readonly method: string;
  /** Absolute, without user name and fragment. */
  readonly url: string;
  /** Names are asked for in any case. */
  readonly headers: ReadHeaders;
}

/** Headers as they are read. */
export type ReadHeaders = Pick<Headers, "get" | "has">;
