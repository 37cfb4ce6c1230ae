/** Beginnings of several lengths: of one token, within a chunk, and beyond chunks of 64 and cache blocks. */
const BEGINNINGS = [
  "",
  "Once upon a time",
  "The",
  "Lily and her dog Max went to the park. They saw",
  "One day, a little boy named Tom found a big red ball. He wanted to",
  "What is quantization?",
  "Zoë said: “¡qué día!” and 日本 🎉",
  "There was a tiny house on a hill. In the house lived",
] as const;

const TALE =
  "A small bird sat in a tree and sang. Every day a girl came by to hear the song, and every day " +
  "she gave the bird some bread. When winter came the bird was cold, so the girl ";

/** Twenty prompts; the later ones are longer. */
export const PROMPTS: readonly string[] = Array.from({ length: 20 }, (_, i) => {
  const beginning = BEGINNINGS[i % BEGINNINGS.length]!;
  return i < BEGINNINGS.length ? beginning : TALE.slice(0, 12 * (i - 6)) + beginning;
});
