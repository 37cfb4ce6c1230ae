/** Atomics.pause (ECMAScript 2026): tells the CPU that this loop waits; older engines have none. */
const native = (Atomics as { pause?: () => void }).pause;

/** Let a moment pass within a spinning loop. */
export const pause: () => void = native === undefined ? () => {} : native.bind(Atomics);
