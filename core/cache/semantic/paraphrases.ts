/** Two questions that one answer answers. */
export interface Paraphrase {
  /** `form`: words, courtesy and spelling differ as they do between people; `free`: said in other words. */
  readonly kind: "form" | "free";
  readonly one: string;
  readonly other: string;
}

/** Questions of people, to be asked in other forms. */
const QUESTIONS: readonly string[] = [
  "What is the capital of France?",
  "What is the boiling point of water at sea level?",
  "What is photosynthesis?",
  "What is the best way to learn the piano?",
  "What is a good name for a cat?",
  "Who is the author of Don Quixote?",
  "Who is responsible for the climate in Germany?",
  "Where is the largest desert in Africa?",
  "When is the next leap year?",
  "How do I sort a list in Python?",
  "How do I center a div in CSS?",
  "How do I remove a stain of red wine?",
  "How do I cook rice in a pot?",
  "How do I change the color of a button?",
  "How do I make a paper plane?",
  "How do I convert kilometers to miles?",
  "How do I install Linux on an old computer?",
  "How do I measure the size of a television?",
  "Why is the sky blue?",
  "Why is my car so loud in winter?",
  "Why do leaves turn red in autumn?",
  "Is it hard to learn Japanese?",
  "Is a tomato a fruit?",
  "Does my phone slow down in the cold?",
  "Can kids drink coffee?",
  "Which movies has he made about Italy?",
  "Explain the difference between a virus and a bacterium.",
  "Explain how a fridge works.",
  "Describe the water cycle in three sentences.",
  "List five big rivers of Europe.",
  "Give me two ideas for a picnic.",
  "Summarize the French Revolution in one sentence.",
  "Translate good morning to Spanish.",
  "Write a haiku about the moon.",
];

/** One form for another; what it returns unchanged has no such form. */
const FORMS: readonly ((question: string) => string)[] = [
  (question) => question.replace(/[?.]$/, ""),
  (question) => question.replace(/[?.]$/, "?!"),
  (question) => question[0]!.toLowerCase() + question.slice(1),
  (question) => `  ${question.replaceAll(" ", "  ")}`,
  (question) => `Please ${question[0]!.toLowerCase()}${question.slice(1)}`,
  (question) => `Hello! ${question}`,
  (question) => `Hi, ${question[0]!.toLowerCase()}${question.slice(1)}`,
  (question) => `${question} Thanks!`,
  (question) => question.replace(/([?.])$/, ", please$1"),
  (question) => question.replace(/^(What|Who|Where|When|How) is /, "$1's "),
  (question) => question.replace(/^How do I /, "How can I "),
  (question) => question.replace(/^How do I (.*)\?$/, "How to $1"),
  (question) => question.replace(/^How do I (.*)\?$/, "Tell me how to $1."),
  (question) =>
    question
      .replace(/^(What|Who|Where) is (.*)\?$/, "Tell me $1 $2 is.")
      .replace(/me (\w)/, (_, first: string) => `me ${first.toLowerCase()}`),
  (question) =>
    question
      .replace(/^(What|Who|Where) is (.*)\?$/, "Could you tell me $1 $2 is?")
      .replace(/me (\w)/, (_, first: string) => `me ${first.toLowerCase()}`),
  (question) => question.replace(/^What is (the .* of .*)\?$/, "Tell me $1."),
  (question) =>
    question.replace(
      /^(Explain|Describe|List|Give|Summarize|Translate|Write) (.*)\.$/,
      (_, verb: string, rest: string) => `Can you ${verb.toLowerCase()} ${rest}?`,
    ),
  (question) =>
    question.replace(
      /^(Explain|Describe|List|Give|Summarize|Translate|Write) (.*)\.$/,
      (_, verb: string, rest: string) => `Could you please ${verb.toLowerCase()} ${rest}?`,
    ),
  (question) => question.replace(/^Explain (.*)\.$/, "Explain to me $1."),
  (question) => question.replace(/^Explain (.*)\.$/, "Explain $1 to me."),
  (question) =>
    question
      .replace("color", "colour")
      .replace("kilometers", "kilometres")
      .replace("center", "centre"),
  (question) =>
    question
      .replace("television", "TV")
      .replace("phone", "telephone")
      .replace("fridge", "refrigerator"),
  (question) =>
    question
      .replace("big", "large")
      .replace("largest", "biggest")
      .replace("hard", "difficult")
      .replace("movies", "films")
      .replace("kids", "children"),
  (question) => question.replace("two ", "2 ").replace("three ", "3 ").replace("five ", "5 "),
  (question) =>
    /France|Germany|Africa|Japanese|Linux|Italy|Europe|Spanish/.test(question)
      ? question.toLowerCase()
      : question,
];

/** The same in other languages, of which courtesies are known and nothing else. */
const OTHERS: readonly (readonly [string, string])[] = [
  ["Was ist die Hauptstadt von Frankreich?", "was ist die Hauptstadt von Frankreich"],
  ["Warum ist der Himmel blau?", "Bitte, warum ist der Himmel blau?"],
  ["Wie hoch ist die Zugspitze?", "Hallo, wie hoch ist die Zugspitze? Danke!"],
  ["Erkläre die Photosynthese.", "Erkläre die Photosynthese, bitte!"],
  ["Quelle est la capitale de l'Italie ?", "Bonjour ! Quelle est la capitale de l’Italie?"],
  ["Pourquoi le ciel est-il bleu ?", "pourquoi le ciel est-il bleu ? Merci"],
  ["Explique la photosynthèse.", "Explique la photosynthèse, s'il te plaît."],
  ["¿Cuál es la capital de Perú?", "Hola, cuál es la capital de Perú?"],
  ["¿Por qué el cielo es azul?", "¿Por qué el cielo es azul? Gracias"],
  ["¿Cómo funciona un motor?", "¿Cómo funciona un motor, por favor?"],
];

/** Said in other words, as people do who have not seen one another's question. */
const FREE: readonly (readonly [string, string])[] = [
  ["How do I reset my password?", "I forgot my password, how can I set a new one?"],
  ["What is the capital of France?", "Which city is the capital of France?"],
  ["Why is the sky blue?", "What makes the sky look blue?"],
  ["How do I boil an egg?", "How long does an egg have to boil?"],
  ["What is the population of Japan?", "How many people live in Japan?"],
  ["How tall is Mount Everest?", "What is the height of Mount Everest?"],
  ["Who wrote Hamlet?", "Who is the author of Hamlet?"],
  ["When did the war end?", "In which year was the war over?"],
  ["How do I sort a list in Python?", "In Python, how do I sort a list?"],
  ["What is the fastest land animal?", "Which animal runs fastest?"],
  ["How far away is the moon?", "What is the distance to the moon?"],
  ["How do I get rid of ants?", "What helps against ants?"],
  ["What causes earthquakes?", "Why do earthquakes happen?"],
  ["Is coffee bad for you?", "Is drinking coffee unhealthy?"],
  ["How do vaccines work?", "Explain how vaccines work."],
  ["What is inflation?", "What does inflation mean?"],
  ["How do I cancel my subscription?", "I want to end my subscription, what do I do?"],
  ["What is the meaning of entropy?", "What does entropy mean?"],
  ["Give me a recipe for pancakes.", "How do I make pancakes?"],
  ["What are the symptoms of the flu?", "How do I know that I have the flu?"],
];

/** One in so many forms of each question: enough to tell a rate, and a start need not wait for more vectors. */
const EVERY = 3;

/** Pairs of questions that one answer answers. */
export function paraphrases(): readonly Paraphrase[] {
  const formed = QUESTIONS.flatMap((one, i) =>
    FORMS.filter((_, j) => (i + j) % EVERY === 0)
      .map((form) => ({ kind: "form" as const, one, other: form(one) }))
      .filter(({ other }) => other !== one),
  );
  const others = OTHERS.map(([one, other]) => ({ kind: "form" as const, one, other }));
  const free = FREE.map(([one, other]) => ({ kind: "free" as const, one, other }));
  return [...formed, ...others, ...free];
}
