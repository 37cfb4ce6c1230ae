import { describe, expect, test } from "vitest";
import {
  createQuestionIndex,
  type IndexedQuestion,
} from "../../../../core/cache/semantic/question-index.ts";
import { readQuestion } from "../../../../core/cache/semantic/terms.ts";

const question = (text: string, more: Partial<IndexedQuestion> = {}): IndexedQuestion => ({
  id: text,
  partition: "p",
  terms: readQuestion(text)!.terms,
  vector: Float32Array.of(1, 0),
  key: `t1.${text}`,
  ...more,
});

describe("an index of questions", () => {
  test("finds the nearest that asks the same, passing over nearer ones that do not", () => {
    const index = createQuestionIndex();
    index.add(
      question("What is ice?", { vector: Float32Array.of(0.98, Math.sqrt(1 - 0.98 ** 2)) }),
    );
    index.add(question("What is snow?"));
    const { found, refused } = index.find("p", question("what's ice"));
    expect(found?.question.id).toBe("What is ice?");
    expect(found?.similarity).toBeCloseTo(0.98, 5);
    expect(refused).toEqual(["words"]);
    expect(index.find("p", question("What is rain?"))).toEqual({ refused: ["words", "words"] });
  });

  test("does not look into other partitions, nor at what is not near", () => {
    const index = createQuestionIndex();
    index.add(question("What is ice?"));
    expect(index.find("other", question("What is ice?"))).toEqual({ refused: [] });
    const far = question("What is ice?", {
      vector: Float32Array.of(0.96, Math.sqrt(1 - 0.96 ** 2)),
    });
    expect(index.find("p", far)).toEqual({ refused: [] });
    const wider = question("What is ice?", { vector: Float32Array.of(1, 0, 0) });
    expect(index.find("p", wider)).toEqual({ refused: [] });
  });

  test("holds so many and so many bytes, and lets go of what was not asked for longest", () => {
    const index = createQuestionIndex({ entries: 3, bytes: 1e6 });
    for (const n of [1, 2, 3]) index.add(question(`What is ${n}?`));
    index.find("p", question("What is 1?"));
    index.add(question("What is 4?"));
    expect(index.size).toBe(3);
    const has = (n: number) => index.find("p", question(`What is ${n}?`)).found !== undefined;
    expect([1, 2, 3, 4].map(has)).toEqual([true, false, true, true]);

    const small = createQuestionIndex({ entries: 1000, bytes: 10_000 });
    for (let n = 0; n < 100; n++) small.add(question(`What is ${n}?`));
    expect(small.bytes).toBeLessThanOrEqual(10_000);
    expect(small.size).toBeGreaterThan(5);
    small.clear();
    expect([small.size, small.bytes]).toEqual([0, 0]);
    const huge = createQuestionIndex({ entries: 10, bytes: 100 });
    huge.add(question("What is ice?"));
    expect([huge.size, huge.bytes]).toEqual([0, 0]);
  });

  test("has one entry for what says the same, and none for what was evicted", () => {
    const index = createQuestionIndex();
    index.add(question("What is ice?", { id: "a" }));
    index.add(question("Please, what is ice?", { id: "b" }));
    expect(index.size).toBe(1);
    expect(index.evict("a")).toBe(false);
    expect(index.evict("b")).toBe(true);
    expect([index.size, index.bytes]).toEqual([0, 0]);
    index.add(question("What is ice?", { id: "c" }));
    expect(index.size).toBe(0);
    index.add(question("What is ice?", { id: "d", partition: "q" }));
    expect(index.size).toBe(1);
  });
});
