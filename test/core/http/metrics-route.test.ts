import { expect, test } from "vitest";
import * as names from "../../../core/metrics/names.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { parsePrometheus } from "../../fixtures/prometheus.ts";

const CHAT = "/v1/chat/completions";
const hello = { model: "m", messages: [{ role: "user", content: "hi" }] };

async function scrape(get: (path: string) => Promise<Response>) {
  const response = await get("/metrics");
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return parsePrometheus(await response.text());
}

test("GET /metrics tells about answers under vLLM's names", async () => {
  const { post, get } = createScriptedApp(
    { reply: "hello" },
    { memory: () => ({ rss: 5, kv: 1 }) },
  );
  await post(CHAT, hello);
  await (await post(CHAT, { ...hello, stream: true, max_tokens: 2 })).text();
  const { samples } = await scrape(get);
  const model = '{model_name="m"}';
  expect(Object.fromEntries(samples)).toMatchObject({
    [`vllm:num_requests_running${model}`]: 0,
    [`vllm:num_requests_waiting${model}`]: 0,
    [`vllm:kv_cache_usage_perc${model}`]: 0,
    [`vllm:num_preemptions_total${model}`]: 0,
    [`vllm:prefix_cache_queries_total${model}`]: 0,
    [`vllm:prefix_cache_hits_total${model}`]: 0,
    [`vllm:spec_decode_num_draft_tokens_total${model}`]: 0,
    [`vllm:spec_decode_num_accepted_tokens_total${model}`]: 0,
    [`vllm:prompt_tokens_total${model}`]: 20,
    [`vllm:generation_tokens_total${model}`]: 7,
    'vllm:request_success_total{model_name="m",finished_reason="stop"}': 1,
    'vllm:request_success_total{model_name="m",finished_reason="length"}': 1,
    [`vllm:time_to_first_token_seconds_count${model}`]: 2,
    [`vllm:inter_token_latency_seconds_count${model}`]: 5,
    [`vllm:e2e_request_latency_seconds_count${model}`]: 2,
    [`vllm:request_queue_time_seconds_count${model}`]: 2,
    [`vllm:request_prefill_time_seconds_sum${model}`]: 0.004,
    [`vllm:request_decode_time_seconds_count${model}`]: 2,
    [`vllm:request_prompt_tokens_sum${model}`]: 20,
    [`vllm:request_generation_tokens_sum${model}`]: 7,
    'sirocco_requests_total{code_class="2xx"}': 2,
    'sirocco_build_info{version="1.2.3"}': 1,
    'sirocco_backend_info{model_name="m",backend="scripted",reason="slower"}': 1,
    'sirocco_memory_bytes{kind="rss"}': 5,
    'sirocco_memory_bytes{kind="kv"}': 201,
    'sirocco_memory_bytes{kind="weights"}': 1000,
  });
});

test("sirocco_backend_info tells which backend computes now, and which did", async () => {
  const info = { backend: "webgpu", choice: { reason: "faster", detail: "" } } as const;
  const { served: before } = createScriptedApp();
  const engine = { ...before.engine, info: { ...before.engine.info, ...info } };
  let served: typeof before = { ...before, engine };
  const { get } = createScriptedApp({}, { models: () => [served] });
  const series = '{model_name="m",backend="webgpu",reason="faster"}';
  const onGpu = (await scrape(get)).samples;
  expect(onGpu.get(`sirocco_backend_info${series}`)).toBe(1);
  expect(onGpu.get('sirocco_memory_bytes{kind="gpu"}')).toBe(1230);
  served = before;
  const { samples } = await scrape(get);
  expect(samples.get(`sirocco_backend_info${series}`)).toBe(0);
  const other = '{model_name="m",backend="scripted",reason="slower"}';
  expect(samples.get(`sirocco_backend_info${other}`)).toBe(1);
});

test("sirocco_requests_total counts what happened to requests under /v1, not probes", async () => {
  const failAt = { index: 1, error: "INTERNAL" } as const;
  const { post, get } = createScriptedApp({ reply: "abc", failAt });
  await (await post(CHAT, { ...hello, stream: true })).text();
  await post(CHAT, { ...hello, temperature: 9 });
  await get("/livez");
  await get("/nothing");
  const { samples } = await scrape(get);
  const counts = [...samples].filter(([name]) => name.startsWith("sirocco_requests_total"));
  expect(Object.fromEntries(counts)).toEqual({
    'sirocco_requests_total{code_class="5xx"}': 1,
    'sirocco_requests_total{code_class="4xx"}': 1,
  });
});

test("a mixture of experts tells how its rows are spread, others say nothing of experts", async () => {
  const expertRows = [
    [6, 2, 0, 0],
    [2, 2, 2, 2],
    [0, 0, 0, 0],
  ];
  const { get } = createScriptedApp({ stats: { expertRows } });
  const { samples } = await scrape(get);
  const of = (name: string) => [...samples].filter(([key]) => key.startsWith(name));
  expect(Object.fromEntries(of("sirocco_expert"))).toEqual({
    'sirocco_expert_rows_total{model_name="m",expert="0"}': 8,
    'sirocco_expert_rows_total{model_name="m",expert="1"}': 4,
    'sirocco_expert_rows_total{model_name="m",expert="2"}': 2,
    'sirocco_expert_rows_total{model_name="m",expert="3"}': 2,
    'sirocco_expert_imbalance_ratio{model_name="m",layer="0"}': 3,
    'sirocco_expert_imbalance_ratio{model_name="m",layer="1"}': 1,
    'sirocco_expert_imbalance_ratio{model_name="m",layer="2"}': 1,
  });
  const dense = await scrape(createScriptedApp().get);
  expect([...dense.samples.keys()].filter((name) => name.includes("expert"))).toEqual([]);
});

test("no metric is rendered that the ontology does not name", async () => {
  const { post, get } = createScriptedApp({ reply: "hello" });
  await post(CHAT, hello);
  const known = new Set(Object.values(names).map(({ name }) => name));
  const { types } = await scrape(get);
  expect([...types.keys()].filter((name) => !known.has(name))).toEqual([]);
  expect(types.size).toBeGreaterThan(15);
});

test("a client cannot make series: unknown models leave no label behind", async () => {
  const { post, get } = createScriptedApp({ reply: "x" });
  await post(CHAT, { ...hello, model: "made-up" });
  await get("/v1/models/made-up");
  expect(await (await get("/metrics")).text()).not.toContain("made-up");
});
