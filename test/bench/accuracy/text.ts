import { readFile } from "node:fs/promises";
import path from "node:path";
import { shared } from "../../fixtures/shared.ts";
import { ROOT } from "../peers.ts";

/** The text that perplexities are usually quoted on; where it is absent, this project's own documents. */
export async function judgedText(): Promise<{ readonly name: string; readonly text: string }> {
  const wikitext = shared("data/text/wikitext2-valid-tokenized.txt");
  if (wikitext !== undefined) {
    return { name: "WikiText-2 (validation)", text: await readFile(wikitext, "utf8") };
  }
  const names = ["README.md", "CONTRIBUTING.md", "PERFORMANCE.md", "LICENSE"];
  const texts = await Promise.all(names.map((name) => readFile(path.join(ROOT, name), "utf8")));
  return { name: "the project's documents", text: texts.join("\n\n") };
}
