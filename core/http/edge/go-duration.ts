/** Milliseconds as Go writes a duration, and OpenAI its `x-ratelimit-reset-*`: `120ms`, `1.5s`, `6m0s`. */
export function toGoDuration(milliseconds: number): string {
  const whole = Math.max(Math.ceil(milliseconds), 0);
  if (whole === 0) return "0s";
  if (whole < 1000) return `${whole}ms`;
  const hours = Math.floor(whole / 3_600_000);
  const minutes = Math.floor(whole / 60_000) % 60;
  const seconds = (whole % 60_000) / 1000;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
