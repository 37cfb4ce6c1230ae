import type { TraceEntry } from "./arrivals.ts";

/**
 * The requests of a trace: CSV with the columns `TIMESTAMP`, `ContextTokens` and `GeneratedTokens`
 * (Azure's LLM inference traces), or JSON lines with `timestamp` in milliseconds, `input_length` and
 * `output_length` (Mooncake's). Throws `RangeError`, naming the line.
 */
export function parseTrace(text: string): TraceEntry[] {
  const lines = text.split(/\r?\n/);
  const isJson = lines[0]?.startsWith("{") === true;
  const entries: TraceEntry[] = [];
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "" || (i === 0 && !isJson)) continue;
    const entry = isJson ? fromJson(line) : fromCsv(line);
    const { atMs, promptTokens, maxTokens } = entry;
    if (!Number.isFinite(atMs) || !isLength(promptTokens) || !isLength(maxTokens)) {
      throw new RangeError(`Cannot read line ${i + 1} of the trace: ${line.slice(0, 100)}`);
    }
    entries.push(entry);
  }
  return entries.toSorted((a, b) => a.atMs - b.atMs);
}

function fromCsv(line: string): TraceEntry {
  const [time = "", prompt = "", answer = ""] = line.split(",");
  const [, day = "", clock = "", fraction = "0"] =
    /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d+))?/.exec(time) ?? [];
  return {
    atMs: Date.parse(`${day}T${clock}Z`) + Number(`0.${fraction}`) * 1000,
    promptTokens: toNumber(prompt),
    maxTokens: toNumber(answer),
  };
}

function fromJson(line: string): TraceEntry {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = {};
  }
  const { timestamp, input_length, output_length } = value as Record<string, unknown>;
  return {
    atMs: toNumber(timestamp),
    promptTokens: toNumber(input_length),
    maxTokens: toNumber(output_length),
  };
}

function toNumber(value: unknown): number {
  if (typeof value === "number") return value;
  return typeof value === "string" && value.trim() !== "" ? Number(value) : NaN;
}

function isLength(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
