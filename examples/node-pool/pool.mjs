// npm install sirocco
// node pool.mjs
//
// Two copies of a model, each in a worker of its own, share a list of questions: for machines with cores to
// spare and many independent questions. One engine alone already computes requests together.
import { demoModel, load } from "sirocco";

const QUESTIONS = ["What is quantization?", "What is a KV cache?", "What is a canary rollout?"];
const COPIES = 2;

const engines = await Promise.all(Array.from({ length: COPIES }, () => load(demoModel)));
const waiting = QUESTIONS.entries();
const answers = [];

/** Take the next question until there is none: whoever is free works. */
async function work(engine) {
  for (const [index, question] of waiting) {
    let text = "";
    for await (const piece of engine.chat([{ role: "user", content: question }])) text += piece;
    answers[index] = text;
  }
}

await Promise.all(engines.map(work));
for (const [index, question] of QUESTIONS.entries())
  console.log(`> ${question}\n${answers[index]}\n`);
await Promise.all(engines.map((engine) => engine.close()));
