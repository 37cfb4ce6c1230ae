// deno add npm:sirocco
// deno run --allow-read ask.ts "What is a KV cache?" [model.gguf]
//
// --allow-read: the model, and the kernels in the package. Nothing else is needed: no network, no write.
import { demoModel, load } from "sirocco";

const [question = "What is quantization?", model = demoModel] = Deno.args;
const engine = await load(model);
const encoder = new TextEncoder();
for await (const piece of engine.chat([{ role: "user", content: question }])) {
  await Deno.stdout.write(encoder.encode(piece));
}
await Deno.stdout.write(encoder.encode("\n"));
await engine.close();
