/** Beginnings that the model goes on from by itself: what it then reads is what its rounding is fitted to. */
export const OPENERS: readonly string[] = [
  "The history of the printing press begins in",
  "The Battle of the river crossing took place in 1863, when",
  "The song was released as the second single from the album and",
  "The species is a small bird found in the forests of",
  "Construction of the railway station began in 1902 and",
  "He was born in a village near the coast, the son of",
  "The film received mixed reviews from critics, who",
  "The 1974 season was the club's fifteenth in the top division, and",
  "The hurricane formed from a tropical wave on August 12 and",
  "The castle was built in the twelfth century by",
  "As a politician, she served in the state legislature from",
  "The novel tells the story of a young teacher who",
  "The ship was laid down in 1911 and commissioned as",
  "Photosynthesis is the process by which plants",
  "Dear colleague, thank you for your letter about",
  "Once upon a time there was a boat builder who",
];
