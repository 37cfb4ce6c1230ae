// Prints the milliseconds from asking for the demo model to the first piece of its answer, in one thread of
// a process that has just begun, as an isolate has.
import { answer, demoModel, GREEDY, loadLocal } from "../../dist/adapters/node/mod.js";

const started = performance.now();
const model = await loadLocal({
  model: demoModel,
  inProcess: true,
  contextSize: 1024,
  parallel: 4,
});
const messages = [{ role: "user", content: "What is quantization?" }];
const prompt = model.template.tokens(messages, { addGenerationPrompt: true });
const request = { prompt, maxTokens: 8, sampling: GREEDY, stop: [] };
for await (const event of answer(model.engine, model.tokenizer, request)) {
  if (event.type === "text" && event.text !== "") {
    console.log(performance.now() - started);
    break;
  }
}
await model.close();
