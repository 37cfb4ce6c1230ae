/**
 * What test/bench/gpu.ts measures, of llama.cpp's Vulkan build on the driver of the environment. Its default for flash attention, f16
 * cache, every layer on the device.
 *
 *     node test/peers/bench/llama-vulkan.mjs F <prompt> <predict> <runs>
 */
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [, , file, ...numbers] = process.argv;
const [prompt, predict, runs] = numbers.map(Number);
// The loader would prefer no software device where it is not told to.
process.env.GGML_VK_VISIBLE_DEVICES ??= "0";
const llama = await getLlama({
  gpu: "vulkan",
  build: "never",
  progressLogs: false,
  logLevel: LlamaLogLevel.error,
  vramPadding: 0,
});
const model = await llama.loadModel({ modelPath: file, gpuLayers: "max" });
const context = await model.createContext({ contextSize: 1024, batchSize: 512 });
const sequence = context.getSequence();
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const random = (count) =>
  Array.from({ length: count }, () => Math.floor(Math.random() * vocabulary));
const kinds = [
  {
    name: `pp${prompt}`,
    tokens: prompt,
    run: () => sequence.evaluateWithoutGeneratingNewTokens(random(prompt)),
  },
  {
    name: `tg${predict}`,
    tokens: predict,
    run: async () => {
      for (let i = 0; i < predict; i++)
        await sequence.evaluateWithoutGeneratingNewTokens(random(1));
    },
  },
];
console.log(`llama.cpp: ${(await llama.getGpuDeviceNames()).join()}, ${model.gpuLayers} layers`);
for (const { name, tokens, run } of kinds) {
  await sequence.clearHistory();
  await run();
  for (let i = 0; i < runs; i++) {
    await sequence.clearHistory();
    const before = process.cpuUsage();
    const start = performance.now();
    await run();
    const ms = performance.now() - start;
    const { user, system } = process.cpuUsage(before);
    const perSecond = ((1e3 * tokens) / ms).toFixed(1);
    console.log(
      `  ${name}: ${perSecond} tokens/s, ${((user + system) / 1e3 / tokens).toFixed(1)} ms CPU a token`,
    );
  }
}
await llama.dispose();
