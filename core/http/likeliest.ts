import type { Asked } from "./wire/asked.ts";
import type { Choice } from "./wire/format.ts";

/** Of the candidates for each prompt, those whose tokens were likeliest on average, best first. */
export function keepLikeliest({
  candidates,
  choices,
}: Pick<Asked, "candidates" | "choices">): (choices: readonly Choice[]) => readonly Choice[] {
  if (candidates === choices) return (all) => all;
  return (all) => {
    const kept: Choice[] = [];
    for (let first = 0; first < all.length; first += candidates) {
      const ranked = all
        .slice(first, first + candidates)
        .toSorted((a, b) => meanLogprob(b) - meanLogprob(a));
      kept.push(...ranked.slice(0, choices));
    }
    return kept;
  };
}

function meanLogprob({ texts }: Choice): number {
  const tokens = texts.flatMap((event) => event.tokens);
  // An empty answer says nothing for itself.
  if (tokens.length === 0) return -Infinity;
  return tokens.reduce((sum, { logprob }) => sum + logprob, 0) / tokens.length;
}
