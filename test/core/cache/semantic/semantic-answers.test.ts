import { describe, expect, test } from "vitest";
import type { Embedder } from "../../../../core/cache/semantic/embedder.ts";
import type { PolarityVerdict } from "../../../../core/cache/semantic/polarity-trial.ts";
import { createSemanticAnswers } from "../../../../core/cache/semantic/semantic-answers.ts";
import { createWordEmbedder } from "../../../fixtures/word-embedder.ts";

const words = createWordEmbedder();
const now = () => performance.now();
const asked = (text: string) => ({ text, partition: "p", tenant: "t" });

/** An embedder that can be exchanged, and whose texts are counted. */
function exchangeable() {
  const state = { name: "one", embeds: 0 };
  const embedder: Embedder = {
    get name() {
      return state.name;
    },
    embed(text, options) {
      state.embeds++;
      return words.embed(text, options);
    },
  };
  return { state, embedder };
}

describe("semantic answers", () => {
  test("do nothing before their embedder is there and proved", async () => {
    let embedder: Embedder | undefined;
    const answers = createSemanticAnswers({ embedder: () => embedder, paths: [], now });
    expect(answers.state).toBe("proving");
    await expect(answers.prove()).rejects.toThrow("no embedder yet");
    expect(await answers.ask(asked("What is ice?"))).toBeUndefined();
    embedder = words;
    await answers.prove();
    expect(answers.state).toBe("on");
    expect(await answers.ask(asked("What is ice?"))).toBeDefined();
    expect(await answers.ask(asked("What is\nice?"))).toBeUndefined();
  });

  test("remember a verdict under the embedder's name, and try another one anew", async () => {
    const kept = new Map<string, PolarityVerdict>();
    const verdicts = {
      read: async (name: string) => kept.get(name),
      write: async (name: string, verdict: PolarityVerdict) => void kept.set(name, verdict),
    };
    const first = exchangeable();
    const open = (embedder: Embedder) =>
      createSemanticAnswers({ embedder: () => embedder, paths: [], now, verdicts });
    await open(first.embedder).prove();
    expect(kept.size).toBe(1);
    const second = exchangeable();
    const answers = open(second.embedder);
    await answers.prove();
    expect([answers.state, second.state.embeds]).toEqual(["on", 0]);

    // Vectors of another engine are not compared with those of this one.
    (await answers.ask(asked("What is ice?")))!.remember("key", "id");
    expect((await answers.ask(asked("what is ice")))!.found?.id).toBe("id");
    second.state.name = "two";
    expect(await answers.ask(asked("what is ice"))).toBeUndefined();
    await answers.prove();
    expect(kept.size).toBe(2);
    expect((await answers.ask(asked("what is ice")))!.found).toBeUndefined();
  });

  test("a verdict that cannot be read or kept costs a trial and nothing else", async () => {
    const broken = {
      read: () => Promise.reject(new Error("disk")),
      write: () => Promise.reject(new Error("disk")),
    };
    const answers = createSemanticAnswers({
      embedder: () => words,
      paths: [],
      now,
      verdicts: broken,
    });
    await answers.prove();
    expect(answers.state).toBe("on");
  });

  test("a remembered verdict with too many false hits keeps them off", async () => {
    const bad: PolarityVerdict = {
      pairs: 4000,
      falseHits: { negation: 5 },
      leftToVectors: 5,
      paraphrases: { form: { pairs: 1, hits: 1 }, free: { pairs: 1, hits: 1 } },
    };
    const verdicts = { read: async () => bad, write: async () => {} };
    const answers = createSemanticAnswers({ embedder: () => words, paths: [], now, verdicts });
    await answers.prove();
    expect(answers.state).toBe("off");
    expect(await answers.ask(asked("What is ice?"))).toBeUndefined();
  });

  test("an embedder that hangs is told to stop, and nobody waits for it for long", async () => {
    let hangs = false;
    let stopped = 0;
    const slow: Embedder = {
      name: "slow",
      embed(text, options) {
        if (!hangs) return words.embed(text, options);
        options.signal.addEventListener("abort", () => stopped++);
        return new Promise(() => {});
      },
    };
    const answers = createSemanticAnswers({ embedder: () => slow, paths: [], now });
    await answers.prove();
    hangs = true;
    const many = Array.from({ length: 40 }, (_, i) => answers.ask(asked(`What is ${i}?`)));
    expect(await Promise.all(many)).toEqual(many.map(() => undefined));
    // The others were not even begun.
    expect(stopped).toBe(32);
    expect(answers.stats().lookups["no-vector"]).toBe(40);
  });
});
