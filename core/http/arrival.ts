/** What is read of a request before its body: a `Request`, or what a runtime has before it makes one. */
export interface Arrival {
  readonly method: string;
  /** Absolute, without user name and fragment. */
  readonly url: string;
  readonly headers: ReadHeaders;
}

/** Headers as they are read. */
export type ReadHeaders = Pick<Headers, "get" | "has">;
