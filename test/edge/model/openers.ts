/** Beginnings that the model goes on from by itself: what it then reads is what its rounding is fitted to. */
export const OPENERS: readonly { readonly seed: number; readonly text: string }[] = [
  { seed: 1000, text: "The history of the printing press begins in" },
  { seed: 1001, text: "The Battle of the river crossing took place in 1863, when" },
  { seed: 1002, text: "The song was released as the second single from the album and" },
  { seed: 1003, text: "The species is a small bird found in the forests of" },
  { seed: 1004, text: "Construction of the railway station began in 1902 and" },
  { seed: 1005, text: "He was born in a village near the coast, the son of" },
  { seed: 1006, text: "The film received mixed reviews from critics, who" },
  { seed: 1007, text: "<|im_start|>user\nIn mathematics, a group is a set together with" },
  { seed: 1008, text: "The 1974 season was the club's fifteenth in the top division, and" },
  { seed: 1009, text: "The hurricane formed from a tropical wave on August 12 and" },
  { seed: 1011, text: "As a politician, she served in the state legislature from" },
  { seed: 1015, text: "<|im_start|>user\nPhotosynthesis is the process by which plants" },
];
