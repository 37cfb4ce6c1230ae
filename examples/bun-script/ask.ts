// bun add sirocco
// bun ask.ts "What is a KV cache?" [model.gguf]
import { demoModel, load } from "sirocco";

const [question = "What is quantization?", model = demoModel] = Bun.argv.slice(2);
const engine = await load(model);
const writer = Bun.stdout.writer();
for await (const piece of engine.chat([{ role: "user", content: question }])) {
  writer.write(piece);
  await writer.flush();
}
writer.write("\n");
await writer.end();
await engine.close();
