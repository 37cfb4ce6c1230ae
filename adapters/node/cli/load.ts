import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { RuntimeError } from "../../../core/errors.ts";
import { poissonArrivals, traceArrivals, type Arrival } from "../load-test/arrivals.ts";
import { BEHAVIOURS, parseMix } from "../load-test/behaviour.ts";
import type { LoadReport } from "../load-test/report.ts";
import type { Bin, Distribution } from "../load-test/samples.ts";
import { parseTrace } from "../load-test/trace.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import { decimal, integer, UsageError } from "./options.ts";
import { createProgress, note, print, printJson, table } from "./terminal.ts";

interface LoadFlags {
  readonly model?: string;
  readonly rate: number;
  readonly duration: number;
  readonly trace?: string;
  readonly speed: number;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly mostPromptTokens?: number;
  readonly mostMaxTokens?: number;
  readonly rude: string;
  readonly api: "chat" | "completions";
  readonly stream: boolean;
  readonly key?: string;
  readonly timeout: number;
  readonly seed: number;
  readonly json?: true;
}

/** A server that is there says so in a moment. */
const LOOK_MS = 10_000;

/** `sirocco load`: put a server under load. */
export function loadCommand(): Command {
  return new Command("load")
    .description("put an OpenAI-compatible server under load and measure its latency")
    .argument("<url>", "the server, with or without /v1")
    .option("-m, --model <name>", "model to ask (default: the first of /v1/models)")
    .option("-r, --rate <n>", "requests per second, on average", decimal(0.001, 100_000), 1)
    .option("-d, --duration <s>", "how long to send", decimal(0.01, 1_000_000), 30)
    .option("--trace <file>", "send what a trace says and when: Azure's CSV or Mooncake's JSONL")
    .option("--speed <f>", "replay a trace so many times as fast", decimal(0.001, 100_000), 1)
    .option("-p, --prompt-tokens <n>", "length of prompts, roughly", integer(1), 64)
    .option("-n, --max-tokens <n>", "length of answers at most", integer(1), 64)
    .option("--most-prompt-tokens <n>", "shorten a trace's longer prompts", integer(1))
    .option("--most-max-tokens <n>", "shorten a trace's longer answers", integer(1))
    .option(
      "--rude <mix>",
      `share of rude clients: ${BEHAVIOURS.join(", ")}, e.g. leave=0.1,slow=0.05`,
      "",
    )
    .addOption(
      new Option("--api <name>", "what to ask").choices(["chat", "completions"]).default("chat"),
    )
    .option("--no-stream", "ask for answers in one piece")
    .addOption(new Option("--key <key>", "API key").env("SIROCCO_KEY"))
    .option("--timeout <s>", "give a request up after so long", decimal(0.01, 100_000), 300)
    .option("-s, --seed <n>", "seed of arrivals and prompts", integer(0, 2 ** 32 - 1), 1)
    .option("--json", "print one JSON object")
    .addHelpText("after", HELP)
    .action(run);
}

const HELP = `
Requests are sent when they are due, whether or not others have been answered (open loop), and latency
counts from then on. ttft is the time to the first token, tpot the time per token after it.

Examples:
  sirocco load http://127.0.0.1:8080 --rate 4 --duration 60
  sirocco load http://127.0.0.1:8080 --rude slow=0.05,leave=0.15,leave-early=0.1,oversize=0.02
  sirocco load http://127.0.0.1:8080 --trace AzureLLMInferenceTrace_conv.csv --speed 10 --most-prompt-tokens 512`;

async function run(address: string, flags: LoadFlags): Promise<void> {
  const url = toBase(address);
  const headers: Record<string, string> =
    flags.key === undefined ? {} : { authorization: `Bearer ${flags.key}` };
  const arrivals = await plan(flags);
  if (arrivals.length === 0)
    throw new UsageError("There is nothing to send: raise --rate or --duration");
  const model = flags.model ?? (await firstModel(url, headers));

  const progress = createProgress("sending", (done, total) => `${done} of ${total} answered`);
  const interrupt = abortOnInterrupt();
  // The HTTP client takes as long to load as a small model does: other commands do without it.
  const { runLoad } = await import("../load-test/run-load.ts");
  const report = await runLoad({
    target: {
      url,
      model,
      api: flags.api,
      stream: flags.stream,
      headers,
      timeoutMs: flags.timeout * 1000,
    },
    arrivals,
    seed: flags.seed,
    onProgress: (_sent, ended, total) => progress.update(ended, total),
    signal: interrupt.signal,
  }).finally(() => {
    progress.end();
    interrupt.release();
  });
  if (flags.json === true) await printJson(report);
  else await print(toText(report));
  const { lag } = report.latency;
  if (lag.p99 > LARGE_LAG_MS) {
    note(
      `sirocco: requests were sent up to ${Math.round(lag.max)} ms late: this machine could not keep up`,
    );
  }
}

/** Requests later than this do not show the server's latency alone any more. */
const LARGE_LAG_MS = 50;

async function plan(flags: LoadFlags): Promise<Arrival[]> {
  const mix = usage(() => parseMix(flags.rude));
  const durationMs = flags.duration * 1000;
  if (flags.trace === undefined) {
    const { rate, promptTokens, maxTokens } = flags;
    return poissonArrivals({ rate, durationMs, promptTokens, maxTokens }, mix, flags.seed);
  }
  const text = await readFile(flags.trace, "utf8").catch((cause: unknown) => {
    throw new UsageError(`Cannot read the trace ${flags.trace}`, { cause });
  });
  const { mostPromptTokens = Infinity, mostMaxTokens = Infinity, speed } = flags;
  const trace = usage(() => parseTrace(text)).map(({ atMs, promptTokens, maxTokens }) => ({
    atMs,
    promptTokens: Math.min(promptTokens, mostPromptTokens),
    maxTokens: Math.min(maxTokens, mostMaxTokens),
  }));
  return traceArrivals(trace, { speed, durationMs }, mix, flags.seed);
}

function usage<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function toBase(address: string): string {
  const url = URL.parse(address.includes("://") ? address : `http://${address}`);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`Cannot use ${address}: expected an http: or https: address`);
  }
  const path = url.pathname.replace(/\/+$/, "");
  return `${url.origin}${path.endsWith("/v1") ? path : `${path}/v1`}`;
}

async function firstModel(url: string, headers: Readonly<Record<string, string>>): Promise<string> {
  let status: number;
  let text: string;
  try {
    const answer = await fetch(`${url}/models`, { headers, signal: AbortSignal.timeout(LOOK_MS) });
    ({ status } = answer);
    text = await answer.text();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RuntimeError("NOT_READY", `Cannot reach ${url}: ${why}`, { cause });
  }
  if (status === 200) {
    const { data } = JSON.parse(text) as { data?: readonly { readonly id: string }[] };
    const id = data?.[0]?.id;
    if (id !== undefined) return id;
  }
  throw new RuntimeError(
    "NOT_READY",
    `Cannot find a model: ${url}/models answered ${status}${status === 401 ? "; give --key" : ""}; name one with --model`,
  );
}

function toText(report: LoadReport): string {
  const { rates, latency, histograms, fates, errors } = report;
  const counts = Object.entries(fates).map(([fate, count]) => `${count} ${fate}`);
  const parts = [
    table([
      ["server", report.url],
      ["model", report.model],
      ["requests", `${report.sent} in ${report.seconds.toFixed(1)} s: ${counts.join(", ")}`],
      ["offered", `${rates.offered.toFixed(2)} requests/s`],
      ["completed", `${rates.completed.toFixed(2)} requests/s`],
      [
        "tokens",
        `${rates.promptTokens.toFixed(1)}/s read, ${rates.answerTokens.toFixed(1)}/s written`,
      ],
    ]),
    table(
      [
        ["ms", "count", "mean", "p50", "p90", "p95", "p99", "max"],
        toRow("ttft", latency.firstToken),
        toRow("tpot", latency.perToken),
        toRow("e2e", latency.whole),
        ...(latency.refused.count > 0 ? [toRow("refused", latency.refused)] : []),
      ],
      [1, 2, 3, 4, 5, 6, 7],
    ),
  ];
  if (Object.keys(report.behaviours).length > 1) {
    parts.push(
      table(
        Object.entries(report.behaviours).map(([behaviour, of]) => [
          behaviour,
          Object.entries(of)
            .map(([fate, count]) => `${count} ${fate}`)
            .join(", "),
        ]),
      ),
    );
  }
  if (Object.keys(errors).length > 0) {
    parts.push(
      table(
        Object.entries(errors).map(([error, count]) => [error, String(count)]),
        [1],
      ),
    );
  }
  if (histograms.firstToken.length > 0) parts.push(`ttft, ms\n${toBars(histograms.firstToken)}`);
  if (histograms.whole.length > 0) parts.push(`e2e, ms\n${toBars(histograms.whole)}`);
  return `${parts.join("\n\n")}\n`;
}

function toRow(name: string, { count, ...values }: Distribution): string[] {
  return [name, String(count), ...Object.values(values).map(digits)];
}

/** Three digits that count. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

/** Cells of the longest bar. */
const BAR_CELLS = 40;

function toBars(bins: readonly Bin[]): string {
  const most = Math.max(...bins.map(({ count }) => count));
  return table(
    bins.map(({ from, to, count }) => [
      `${digits(from)} to ${digits(to)}`,
      String(count),
      "█".repeat(Math.ceil((BAR_CELLS * count) / most)),
    ]),
    [0, 1],
  );
}
