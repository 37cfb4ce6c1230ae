import { Command } from "commander";
import { GREEDY } from "../../../core/sampler/params.ts";
import { demoModelPath } from "../package-root.ts";
import { ask, speedLine } from "./answering.ts";
import { addListenOptions, listenOptions, stopOnSignal, type ListenFlags } from "./serve.ts";
import { note, print, printable } from "./terminal.ts";

const QUESTION = "What is quantization?";

/** `sirocco demo`: one answer of the model that comes with the package, then a server with it. */
export function demoCommand(): Command {
  return addListenOptions(new Command("demo"))
    .description("answer a question with the demo model, then serve it")
    .action(demo);
}

async function demo(flags: ListenFlags): Promise<void> {
  const { serve } = await import("../serve.ts");
  const server = await serve({ ...listenOptions(flags), load: { model: demoModelPath() } });
  const stopped = stopOnSignal(server);
  try {
    const model = await server.ready;
    const prompt = model.template?.tokens([{ role: "user", content: QUESTION }], {
      addGenerationPrompt: true,
    });
    await print(`> ${QUESTION}\n`);
    const answer = await ask(model, { prompt: prompt ?? [], sampling: GREEDY }, (text) =>
      print(printable(text)),
    );
    await print(`\n\n`);
    note(`${speedLine(model, answer)}, loaded in ${Math.round(model.engine.info.loadMs)} ms`);
    note(`\nServing on ${server.url} until Ctrl-C. In a browser, or:\n${curl(server.url)}`);
  } catch (error) {
    await server.close();
    throw error;
  }
  await stopped;
}

function curl(url: string): string {
  return `  curl ${url}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "sirocco-demo.q8_0", "messages": [{"role": "user", "content": "What is a KV cache?"}]}'`;
}
