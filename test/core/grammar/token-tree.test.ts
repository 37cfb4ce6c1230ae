import { expect, test } from "vitest";
import type { TokenBytes } from "../../../core/grammar/token-bytes.ts";
import { createTokenTree, tokensAt, type TokenTree } from "../../../core/grammar/token-tree.ts";
import { createRandom, type Random } from "../../fixtures/random.ts";

function tableOf(texts: readonly (readonly number[])[]): TokenBytes {
  const offsets = new Uint32Array(texts.length + 1);
  for (const [token, text] of texts.entries()) offsets[token + 1] = offsets[token]! + text.length;
  const bytes = Uint8Array.from(texts.flat());
  return { size: texts.length, bytes, offsets, controls: [], blank: undefined };
}

function treeOf(texts: readonly (readonly number[])[], chars: Uint16Array): TokenTree {
  return createTokenTree(Int32Array.from(texts.keys()), tableOf(texts), chars);
}

/** Texts of a few different bytes, the ends of their range among them, so that many begin alike and some are alike. */
function randomTexts(random: Random, count: number): number[][] {
  const alphabet = [0, 97, 98, 255].slice(0, random.int(1, 4));
  return Array.from({ length: count }, () =>
    Array.from({ length: random.int(1, 6) }, () => alphabet[random.int(0, alphabet.length - 1)]!),
  );
}

test("tokensAt finds the tokens that a text begins with, wherever others have looked before", () => {
  const random = createRandom(1);
  for (let round = 0; round < 100; round++) {
    const texts = randomTexts(random, random.int(0, 200));
    const tree = treeOf(texts, new Uint16Array(texts.length).fill(1));
    for (let look = 0; look < 20; look++) {
      const text = randomTexts(random, 3).flat();
      const from = random.int(0, text.length - 1);
      const expected = [...texts.keys()]
        .filter((token) => texts[token]!.every((byte, i) => byte === text[from + i]))
        .map((token) => [token, from + texts[token]!.length])
        .toSorted(([a = 0, b = 0], [c = 0, d = 0]) => b - d || a - c);
      expect([...tokensAt(tree, text, from)]).toEqual(expected);
    }
  }
});

test("every token ends in one node, and a node knows its tokens' characters", () => {
  const random = createRandom(2);
  const texts = randomTexts(random, 1000);
  const chars = Uint16Array.from(texts, () => random.int(0, 8));
  const tree = treeOf(texts, chars);
  const ended: number[] = [];
  const nodes = [0];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    tree.open(node);
    const tokens = [...tree.tokens.subarray(tree.first[node], tree.last[node])];
    const counts = tokens.map((token) => chars[token]!);
    expect([tree.least[node], tree.most[node]]).toEqual([Math.min(...counts), Math.max(...counts)]);
    ended.push(...tokens.slice(0, tree.own[node]));
    for (let child = tree.child[node]!; child < tree.after[node]!; child++) nodes.push(child);
  }
  expect(ended.toSorted((a, b) => a - b)).toEqual([...texts.keys()]);
});

test("tokens that are each a beginning of the next nest as deep as they are long", () => {
  const text = [...new Uint8Array(1000).fill(97)];
  const texts = text.map((_, i) => text.slice(i));
  const tree = treeOf(texts, new Uint16Array(texts.length));
  const expected = texts.map(({ length }, token) => [token, length]).toReversed();
  expect([...tokensAt(tree, text, 0)]).toEqual(expected);
});
