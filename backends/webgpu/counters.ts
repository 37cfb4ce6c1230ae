/** What a backend has done since it was made: tests and profiles compare two readings. */
export interface Counters {
  /** Command buffers given to the device. */
  submits: number;
  dispatches: number;
  /** Pipelines compiled. */
  compiles: number;
  /** Buffers made. */
  buffers: number;
  /** Bind groups made. */
  bindGroups: number;
  /** Steps whose dispatches had to be planned. */
  plans: number;
  /** Bytes of weights that dispatches read. */
  weightBytes: number;
  /** Bytes of the cache that attention read. */
  cacheBytes: number;
  /** Bytes that came back from the device. */
  readBytes: number;
}

/** All zero. */
export function createCounters(): Counters {
  return {
    submits: 0,
    dispatches: 0,
    compiles: 0,
    buffers: 0,
    bindGroups: 0,
    plans: 0,
    weightBytes: 0,
    cacheBytes: 0,
    readBytes: 0,
  };
}
