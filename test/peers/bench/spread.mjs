/** Tokens per second of repeated runs as a row: mean and standard deviation of the sample, as llama-bench gives them. */
export function toRow({ peer, model, threads, test, bytesPerToken }, speeds) {
  const mean = speeds.reduce((sum, speed) => sum + speed, 0) / speeds.length;
  const squares = speeds.reduce((sum, speed) => sum + (speed - mean) ** 2, 0);
  return {
    peer,
    model,
    threads,
    test,
    avg_ts: mean,
    stddev_ts: speeds.length > 1 ? Math.sqrt(squares / (speeds.length - 1)) : 0,
    // A prompt's rows share their reads of the weights, so the figure means something for generation only.
    gb_s:
      bytesPerToken !== undefined && test.startsWith("tg") ? (mean * bytesPerToken) / 1e9 : null,
  };
}

/** `pp128` -> { kind: "pp", n: 128 }. */
export function parseTest(test) {
  const [, kind, n] = /^(pp|tg)(\d+)$/.exec(test) ?? [];
  if (kind === undefined) throw new TypeError(`Cannot run test "${test}": give ppN or tgN.`);
  return { kind, n: Number(n) };
}
