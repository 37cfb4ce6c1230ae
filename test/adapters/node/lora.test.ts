import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BroadcastChannel } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openModel } from "../../../adapters/node/header.ts";
import { loadLocal, type LoadedModel, type LoadOptions } from "../../../adapters/node/load.ts";
import { parseLora, type LoraSource } from "../../../adapters/node/lora-source.ts";
import { serve } from "../../../adapters/node/serve.ts";
import { takeLoras } from "../../../adapters/node/take-loras.ts";
import type { EngineChange } from "../../../core/engine/engine-succession.ts";
import type { LoraUse } from "../../../core/engine/lora.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { DEMO_FILE } from "../../fixtures/demo.ts";
import { FAULTS, type Fault } from "../../fixtures/faults.ts";
import { loraBytes, memoryLora } from "../../fixtures/memory-lora.ts";
import { writeSafetensors, type SafeTensor } from "../../fixtures/safetensors-writer.ts";

let folder = "";
let sources: readonly LoraSource[] = [];

/** Two adapters of the demo model: a GGUF file, and a folder as PEFT saves it. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lora-"));
  const { gguf } = await openModel(DEMO_FILE);
  const lora = memoryLora(gguf, { seed: 2, rank: 8, alpha: 32 });
  await writeFile(join(folder, "law.gguf"), loraBytes(lora));

  const other = memoryLora(gguf, { seed: 3, rank: 4, weights: (name) => name.includes("attn_v") });
  const tensors: Record<string, SafeTensor> = {};
  for (const { name, shape } of other.tensors.values()) {
    const [, layer, letter = ""] = /^blk\.(\d+)\..*lora_([ab])$/.exec(name) ?? [];
    const module = `base_model.model.model.layers.${layer}.self_attn.v_proj`;
    const data = other.bytes.get(name)!;
    tensors[`${module}.lora_${letter.toUpperCase()}.weight`] = { dtype: "F32", shape, data };
  }
  await mkdir(join(folder, "sql"));
  await writeFile(join(folder, "sql", "adapter_model.safetensors"), writeSafetensors(tensors));
  const config = { peft_type: "LORA", r: 4, lora_alpha: 128, bias: "none" };
  await writeFile(join(folder, "sql", "adapter_config.json"), JSON.stringify(config));
  await gguf.close();
  sources = [
    { name: "law", location: join(folder, "law.gguf") },
    { name: "sql", location: join(folder, "sql"), scale: 4 },
  ];
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function tokensOf(model: LoadedModel, lora?: readonly LoraUse[]): Promise<number[]> {
  const { engine, tokenizer } = model;
  const tokens: number[] = [];
  for await (const event of engine.generate({
    tokens: tokenizer.encode("Once upon a time there was"),
    maxTokens: 24,
    sampling: { ...GREEDY, temperature: 0.9, seed: 11 },
    stopTokens: [],
    ...(lora === undefined ? {} : { lora }),
  })) {
    if (event.type === "token") tokens.push(event.token);
  }
  return tokens;
}

const USES: readonly (readonly LoraUse[] | undefined)[] = [
  undefined,
  [{ name: "law", scale: 1 }],
  [{ name: "sql", scale: 4 }],
  [
    { name: "sql", scale: 2 },
    { name: "law", scale: 0.5 },
  ],
];

const loadDemo = (options: Partial<LoadOptions> = {}): Promise<LoadedModel> =>
  loadLocal({ model: DEMO_FILE, backend: "wasm", threads: 1, lora: sources, ...options });

describe("a model in a worker with adapters", () => {
  test("answers with each of them, also where the worker dies in the middle", async () => {
    const plain = await loadDemo({ lora: [] });
    const alone = await tokensOf(plain);
    expect(plain.loras).toEqual([]);
    await plain.close();

    const model = await loadDemo();
    expect(model.engine.info.lora).toEqual(["law", "sql"]);
    expect(model.loras.map(({ name, scale, rank }) => ({ name, scale, rank }))).toEqual([
      { name: "law", scale: 1, rank: 8 },
      { name: "sql", scale: 4, rank: 4 },
    ]);
    const answers: number[][] = [];
    for (const lora of USES) answers.push(await tokensOf(model, lora));
    expect(answers[0]).toEqual(alone);
    expect(new Set(answers.map((tokens) => tokens.join())).size).toBe(USES.length);
    await model.close();

    const changes: EngineChange["type"][] = [];
    const mortal = await loadDemo({
      workerFile: new URL("../../fixtures/faulty-worker.ts", import.meta.url),
      onEngineChange: ({ type }) => changes.push(type),
    });
    const channel = new BroadcastChannel(FAULTS);
    const fault: Fault = { type: "exit", calls: 1000 };
    // eslint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
    channel.postMessage(fault);
    expect(await Promise.all(USES.map((lora) => tokensOf(mortal, lora)))).toEqual(answers);
    expect(changes).toEqual(["broken", "replaced"]);
    channel.close();
    await mortal.close();
  }, 60_000);

  test("is not loaded where an adapter is missing, is none or is for another model", async () => {
    const wrong: readonly (readonly [LoraSource, string, RegExp])[] = [
      [{ name: "a", location: join(folder, "none.gguf") }, "MODEL_NOT_FOUND", /no such file/],
      [{ name: "a", location: DEMO_FILE }, "MODEL_MALFORMED", /it is no adapter.*--model/],
      [{ name: "a", location: folder }, "MODEL_MALFORMED", /has no adapter_config.json/],
      [{ name: "law", location: join(folder, "law.gguf") }, "INVALID_REQUEST", /two adapters law/],
    ];
    for (const [source, code, message] of wrong) {
      await expect(loadDemo({ lora: [...sources, source] })).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message) as string,
      });
    }
    await expect(loadLocal({ model: join(folder, "law.gguf") })).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining("give it as --lora") as string,
    });
  });
});

test("a server answers for a model and its adapters in one batch as each alone", async () => {
  const server = await serve({
    load: { model: DEMO_FILE, backend: "wasm", lora: sources },
    name: "demo",
    port: 0,
  });
  const loaded = await server.ready;
  const ask = async (body: object): Promise<{ text: string; fingerprint: string }> => {
    const response = await fetch(`${server.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt: "Once upon a time", max_tokens: 24, temperature: 0, ...body }),
    });
    const answer = (await response.json()) as {
      choices: readonly { text: string }[];
      system_fingerprint: string;
    };
    return { text: answer.choices[0]!.text, fingerprint: answer.system_fingerprint };
  };
  const bodies = [
    { model: "demo" },
    { model: "demo:law" },
    { model: "sql" },
    { model: "demo", lora: [{ id: 0, scale: 2 }] },
  ];
  const alone = [];
  for (const body of bodies) alone.push(await ask(body));
  expect(await Promise.all(bodies.map(ask))).toEqual(alone);
  expect(new Set(alone.map(({ fingerprint }) => fingerprint)).size).toBe(bodies.length);
  // What the adapter's own model is, the field says as well.
  expect(await ask({ model: "demo", lora: [{ name: "law" }] })).toEqual(alone[1]);

  // A receipt of such an answer names what `verify --lora` finds.
  const listed = (await (await fetch(`${server.url}/v1/models`)).json()) as {
    data: readonly { id: string; sirocco: { digest: string } }[];
  };
  for (const lora of loaded.loras) {
    const taken = takeLoras({ ...loaded, loras: [lora] });
    const model = listed.data.find(({ id }) => id === `demo:${lora.name}`);
    expect(model?.sirocco.digest).toBe(await taken.digest());
  }
  await server.close();
}, 30_000);

test.for<readonly [string, LoraSource | RegExp]>([
  ["law.gguf", { name: "law", location: "law.gguf" }],
  ["dir/law.gguf:0.5", { name: "law", location: "dir/law.gguf", scale: 0.5 }],
  ["x=dir/law.gguf:-2", { name: "x", location: "dir/law.gguf", scale: -2 }],
  ["q=http://host:8080", { name: "q", location: "http://host:8080" }],
  ["q=http://host:8080/a.gguf:3", { name: "q", location: "http://host:8080/a.gguf", scale: 3 }],
  ["law.gguf:1000", /scale from -100 to 100/],
  ["the law.gguf", /give it a name/],
])("--lora %s", ([text, expected]) => {
  if (expected instanceof RegExp) expect(() => parseLora(text)).toThrow(expected);
  else expect(parseLora(text)).toEqual(expected);
});
