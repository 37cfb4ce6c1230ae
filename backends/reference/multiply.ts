/** out[n, m] = x[n, k] · w[m, k]ᵀ */
export function multiply(
  out: Float32Array,
  x: Float32Array,
  w: Float32Array,
  n: number,
  m: number,
  k: number,
): void {
  // Four sums at once share each load of x and need not wait for each other's additions. Every sum
  // runs over c in order, so that its bits depend on neither n nor m.
  const whole = m - (m % 4);
  for (let column = 0; column < whole; column += 4) {
    const w0 = column * k;
    const w1 = w0 + k;
    const w2 = w1 + k;
    const w3 = w2 + k;
    for (let row = 0; row < n; row++) {
      const from = row * k;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let c = 0; c < k; c++) {
        const value = x[from + c]!;
        s0 += value * w[w0 + c]!;
        s1 += value * w[w1 + c]!;
        s2 += value * w[w2 + c]!;
        s3 += value * w[w3 + c]!;
      }
      const to = row * m + column;
      out[to] = s0;
      out[to + 1] = s1;
      out[to + 2] = s2;
      out[to + 3] = s3;
    }
  }
  for (let column = whole; column < m; column++) {
    for (let row = 0; row < n; row++) {
      let sum = 0;
      for (let c = 0; c < k; c++) sum += x[row * k + c]! * w[column * k + c]!;
      out[row * m + column] = sum;
    }
  }
}
