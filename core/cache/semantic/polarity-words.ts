/* The words of the polarity suite (`polarity-suite.ts`). */

/** `{a|b}` is what is turned, `<a|b>` are fillings. */
export const TEMPLATES: readonly { readonly kind: string; readonly template: string }[] = [
  ...kind("negation", [
    "Is it {|not} <safe|legal|healthy|common|wise> to <eat raw eggs|drive at night|sleep on the floor|swim after lunch|drink tap water>?",
    "Which <planets|metals|animals|languages|countries|cities> {have|do not have|never had} <rings|gender|a king|a harbor|a magnetic field>?",
    "Can I <bake bread|send a parcel|open an account|start the server|take the exam> {with|without} <yeast|a passport|an address|a password>?",
    "Why {does|doesn't} <ice|oil|iron|my plant|the engine> <float|burn|rust|grow|turn>?",
    "List foods that are {|not|never} <sweet|salty|spicy|vegan>.",
    "Should I {|not} <reply|apologise|invest|resign|wait> <today|first|again>?",
    "Everything {except|including} <meat|cheese|fish|the desserts> is cheap: what do I order?",
    "Warum {ist|ist nicht} <Wasser|Eisen|Glas|Holz> <schwer|teuer|hart>?",
    "Darf ich {|nicht|nie} <parken|rauchen|grillen|zelten> <hier|im Park|im Wald>?",
    "Pourquoi le <train|chat|moteur|four> {marche|ne marche pas|ne marche jamais} <aujourd'hui|la nuit>?",
    "¿Por qué {|no|nunca} <funciona|duerme|crece|vuela> <el motor|el gato|la planta|el pájaro>?",
  ]),
  ...kind("number", [
    "What is {17|18|71} times <3|6|12|40|99|250|1024>?",
    "Convert {5|50|500} <kilometers to miles|liters to gallons|dollars to euros>.",
    "What happened in {1914|1941|1419} in <France|Japan|Peru|Canada|Egypt|Spain|Turkey|Cuba>?",
    "Give me {three|four|10} <ideas for a gift|names for a cat|recipes with rice>.",
    "Write a {100|200|1000} word summary of <Hamlet|Faust|the French Revolution|the Cold War|photosynthesis|inflation>.",
    "How old is somebody born on {3|4|13} <May 1990|June 1985|March 2001>?",
    "Was geschah im Jahr {1789|1798|1989} in <Paris|Berlin|Wien>?",
    "¿Cuánto es {7|8|78} por <4|9>?",
    "Combien font {7|8|78} fois <4|9>?",
    "What is the {1st|2nd|3rd} <law of motion|amendment|planet from the sun>?",
    "Is {3.5|35|-35|3,5} a <prime|whole|negative> number?",
  ]),
  ...kind("unit", [
    "How many {meters|yards|inches} are <5|12|100> feet?",
    "How heavy are <2|7|30> {pounds|kilograms|ounces|stones}?",
    "What is <20|37|100> degrees {Celsius|Fahrenheit|Kelvin} in everyday terms?",
    "What can I do in Rome at <5|7|9> {am|pm}?",
    "How much is <10|99|250> {dollars|euros|pesos|yen} worth?",
    "How long is <3|8|24> {minutes|hours|days|weeks} for a <flight|fast|course>?",
    "How large is <4|16> {MB|Mb|GB|kB} for a photo?",
  ]),
  ...kind("opposite", [
    "How do I {increase|decrease} the <volume|speed|size|price|temperature> of <a video|the oven|my app|a sound|the fan>?",
    "What are the {advantages|disadvantages} of <nuclear power|remote work|a vegan diet|Bitcoin|electric cars>?",
    "What is the {highest|lowest} <point|temperature|price|score> in <Chile|Iran|Nepal|Sweden>?",
    "How do I {open|close} <a bank account|the lid|a tab|a file> <safely|quickly>?",
    "What happens {before|after} <an earthquake|a marathon|the trial|surgery|birth>?",
    "How do I {import|export} <contacts|photos|a database|bookmarks>?",
    "How do I {encrypt|decrypt} <a file|a disk|an email>?",
    "Sort the list in {ascending|descending} order <by name|by date|by size>.",
    "Which is the {best|worst} <season|hotel|book|route|way> <for a child|for the coast>?",
    "How do I {enable|disable} <cookies|updates|the firewall|dark mode|notifications>?",
    "Who {won|lost} <the war|the final|the election|the case> in <1954|1975|2002>?",
    "Was sind die {Vorteile|Nachteile} von <Atomkraft|Heimarbeit|Elektroautos>?",
    "Quels sont les {avantages|inconvénients} <du train|du télétravail|du verre>?",
  ]),
  ...kind("scope", [
    "Do {all|some|most|no|only} <birds|snakes|mammals|bears> <fly|sleep|swim>?",
    "Does {every|any|each other} <citizen|student|driver> <pay|vote|pass>?",
    "Is it {always|sometimes|rarely} <cold|windy|dark|busy> in <Oslo|Chicago|Lima>?",
    "Remove {all|the first|the last|only the empty} <rows|lines|files> from <the table|the folder>.",
    "What costs at {least|most} <5|20> euros?",
  ]),
  ...kind("question", [
    "{Why|How|When|Where} was <the telescope|the wheel|paper|penicillin> invented?",
    "{Who|What} <moves|paints|heats|guards> the <bridge|castle|sea>?",
    "{How many|How much|Which} <sugar|water|fish> is in <a lake|a glass|the soup>?",
    "{When|Where|Why} does the <train|show|river|match> start?",
    "{Why|How|Whether} do <cells|stars|banks> <form|fail|grow>?",
  ]),
  ...kind("time", [
    "Who {is|was|will be} the <president|king|coach|owner> of <Brazil|Spain|the club|the bank>?",
    "What {are|were} the <rules|prices|borders|names> of <the game|the cities|the states>?",
    "{Does|Did} <the bank|the museum|the team> <open|play|pay> on Sundays?",
    "What {happens|happened} in <the film|the story|the trial>?",
  ]),
  ...kind("modality", [
    "{Can|Should|Must|May|Would} I <take aspirin|call a doctor|pay tax|tell my boss> <today|abroad|at night>?",
    "What {can|should|must} a <tourist|student|driver> <carry|know|wear>?",
  ]),
  ...kind("person", [
    "How do {I|they|we|you} feel about <rain|school|taxes>?",
    "What is {my|your|his|her|our} <name|job|favorite color|address>?",
    "How do I change {my|your|her|his} <password|name|plan>?",
    "Wie ist {dein|mein|Ihr|ihr} <Name|Beruf>?",
    "How do {I|you} <look|work|sound|feel>?",
    "How {do I|do you|do we} <store|use|delete|check|protect> <my data|passwords|the backups>?",
    "How {can I|can you|can they} <change|send|open|remove> <the invoice|my order>?",
  ]),
  ...kind("relation", [
    "What should I eat {before|during|after|instead of} <a race|a test|a flight|dinner>?",
    "What is {in|on|under|behind|beside} the <box|car|table|house>?",
    "How do I travel {to|from|through|around} <Peru|Rome|Mali>?",
    "Write a letter {to|from|about|for} my <landlord|teacher|sister>.",
    "How do I pay {for|with|by|off} a <card|loan|house>?",
  ]),
  ...kind("order", [
    "{In Rome, what can I see of Paris|In Paris, what can I see of Rome} in <a day|a week>?",
    "For {a child, what is a gift from an adult|an adult, what is a gift from a child} <worth|like>?",
  ]),
  ...kind("article", [
    "What is {a|the} <constitution|queen|cloud|market|union>?",
    "Who is {a|the} <president|judge|hero|pope>?",
    "Which {city|cities} <has|won|hosts> the Games?",
  ]),
  ...kind("detail", [
    "How do I delete {|temporary|hidden|old|duplicate} <files|users|images> <on Linux|in bulk>?",
    "What is the {|average|exact|minimum|legal} <speed|height|age|weight> of a <driver|horse|truck>?",
    "Recommend a {|cheap|quiet|vegan|small} <restaurant|hotel> in <Lyon|Porto|Kyoto>.",
    "How do I {|quickly|legally|slowly|really} <quit|sell a car|lose weight|learn Greek>?",
  ]),
  ...kind("sign", [
    "What is a <pointer|class|string|loop> in {C|C++|C#}?",
    "What does {=|==|===|!=|<=} mean in JavaScript?",
    "What is {5|5!|-5|5%} in words?",
    "What does {!|?|??|&&} do?",
    "What is the {US|us|WHO|who} doing?",
    "Is {3 > 2|3 < 2|3 = 2} true?",
    "What does {a[0]|a(0)} return?",
  ]),
  ...kind("mention", [
    "How do you say {please|thank you|thanks|hello} in <Greek|Dutch|Thai|Polish>?",
    "What does {please|thanks|merci|danke|bitte} mean?",
    "Should I write {please|thank you|hi|hey} at the <start|end>?",
    "Translate to <Greek|Dutch|Thai>: yes, {please|thanks|thank you}",
    "The waiter <said|says> yes, {please|thanks}.",
    "Spell {please|thanks|merci}.",
    "How many <letters|vowels|syllables> are in {color|colour}?",
    "How many <letters|vowels|syllables> are in {movie|film}?",
    "How many <letters|vowels|syllables> are in {two|2}?",
    "What is another <name|word|term> for a {sofa|couch}?",
    "What is another <name|word|term> for {big|large}?",
    "What <rhymes with|is a synonym of> {hard|difficult}?",
    "Say {begin|start} in <Greek|Dutch>.",
    "How many spaces are in {'a b'|'a  b'|'a   b'}?",
    'Capitalize "{hello|Hello}".',
  ]),
];

/** Lists of which each word is exchanged for the next, in every sentence at `_`. */
export const WORDS: readonly {
  readonly kind: string;
  readonly sentences: readonly string[];
  readonly words: readonly string[];
  /** Whether two of them can stand in either order. */
  readonly ordered?: true;
}[] = [
  {
    kind: "entity",
    sentences: [
      "What is the capital of _?",
      "How many people live in _?",
      "What should I see in _?",
      "Which languages are spoken in _?",
      "What is the currency of _?",
      "Was ist die Hauptstadt von _?",
    ],
    words: list(
      "France Spain Italy Norway Sweden Denmark Finland Poland Austria Australia Hungary Bulgaria Romania Serbia Slovakia Slovenia Iran Iraq Niger Nigeria Guinea Guyana Mali Malawi Zambia Gambia Chad Peru Chile China India Indonesia Japan Jordan",
    ),
  },
  {
    kind: "entity",
    sentences: [
      "How do I sort a list in _?",
      "What is new in _?",
      "In _, how do I open a file?",
      "How do I read a file with _?",
      "Who created _?",
    ],
    words: list(
      "Python Ruby Rust Go Java JavaScript TypeScript Kotlin Swift Scala Haskell Erlang Elixir Perl PHP Lua Julia R",
    ),
    ordered: true,
  },
  {
    kind: "entity",
    sentences: ["Who was _?", "When was _ born?", "What is _ famous for?", "Where did _ die?"],
    words: list(
      "Einstein Newton Darwin Curie Mozart Beethoven Bach Goethe Schiller Kant Hegel Marx Lenin Napoleon Cromwell Turing Gauss Euler",
    ),
  },
  {
    kind: "noun",
    sentences: [
      "How do I keep a _ healthy?",
      "How long does a _ live?",
      "What does a _ eat?",
      "How much does a _ weigh?",
      "Are you afraid of a _?",
    ],
    words: list(
      "cat dog hamster rabbit parrot turtle lizard snake frog horse goat sheep pig chicken duck goose fox wolf bear lion",
    ),
    ordered: true,
  },
  {
    kind: "noun",
    sentences: [
      "How do I cook _?",
      "How many calories are in _?",
      "How do I store _ in winter?",
      "Which wine goes with _?",
    ],
    words: list(
      "rice pasta potatoes lentils beans beef pork lamb salmon tuna mussels spinach cabbage carrots onions garlic pumpkin asparagus",
    ),
  },
  {
    kind: "noun",
    sentences: [
      "What are the symptoms of _?",
      "How is _ treated?",
      "Is _ contagious?",
      "Who discovered _?",
    ],
    words: list(
      "measles mumps malaria cholera diabetes asthma anemia arthritis pneumonia bronchitis hepatitis meningitis tuberculosis typhoid",
    ),
  },
  {
    kind: "noun",
    sentences: [
      "What does a _ earn?",
      "How do I become a _?",
      "What does a _ do all day?",
      "When should I call a _?",
      "Wie viel verdient ein _?",
    ],
    words: list(
      "pilot nurse baker butcher plumber roofer tailor farmer judge sailor soldier painter printer potter welder miner teacher dentist optician midwife",
    ),
  },
  {
    kind: "noun",
    sentences: [
      "What is the atomic number of _?",
      "What is _ used for?",
      "Where is _ mined?",
      "At what temperature does _ melt?",
      "Is _ poisonous?",
    ],
    words: list(
      "iron copper zinc tin lead silver gold nickel cobalt chromium mercury magnesium calcium sodium potassium lithium titanium tungsten uranium platinum",
    ),
    ordered: true,
  },
  {
    kind: "verb",
    sentences: ["How do I _ a file?", "Why should I _ the code?", "Can you _ this for me?"],
    words: list("copy move rename delete open save print share split merge lock sign test review"),
  },
  {
    kind: "order",
    sentences: [],
    words: list("XML JSON YAML CSV TOML Markdown HTML"),
    ordered: true,
  },
];

/** Pairs of which the gate takes one word for the other, though here they are no synonyms. */
export const SENSES: readonly (readonly [string, string])[] = [
  ["a hard drive", "a difficult drive"],
  ["hard water", "difficult water"],
  ["hard currency", "difficult currency"],
  ["a hard copy", "a difficult copy"],
  ["simple interest", "easy interest"],
  ["a simple machine", "an easy machine"],
  ["simple harmonic motion", "easy harmonic motion"],
  ["thin film", "thin movie"],
  ["film grain", "movie grain"],
  ["film photography", "movie photography"],
  ["a big bang", "a large bang"],
  ["a big toe", "a large toe"],
  ["a smart card", "an intelligent card"],
  ["a smart contract", "an intelligent contract"],
  ["a couch potato", "a sofa potato"],
  ["garbage collection", "trash collection"],
  ["a standard error", "a standard mistake"],
  ["an error bar", "a mistake bar"],
  ["a doctor of philosophy", "a physician of philosophy"],
  ["a start codon", "a begin codon"],
  ["a quick fix", "a quick repair"],
  ["a price fix", "a price repair"],
  ["a buy signal", "a purchase signal"],
  ["a fix for heroin", "a repair for heroin"],
];

/** Long requests, and what may stand at `_`. */
export const LONG: readonly {
  readonly text: string;
  readonly turns: readonly (readonly [string, string])[];
}[] = [
  {
    text: "Write a short and friendly email to my colleagues in the sales department that explains why the weekly meeting on _ has been moved to the small room on the second floor.",
    turns: pairs(
      "Monday Tuesday, Tuesday Wednesday, Wednesday Thursday, Thursday Friday, Friday Monday",
    ),
  },
  {
    text: "I have a spreadsheet with the names, addresses and birthdays of all members of our club, and I would like to _ every row in which the address is missing; how do I do that with a formula?",
    turns: pairs(
      "delete keep, hide show, copy delete, mark hide, count delete, color delete, skip count",
    ),
  },
  {
    text: "My daughter is _ years old and wants to learn to play the violin, but we live in a small flat with thin walls; which times of the day would you suggest for her to practise without annoying the neighbors?",
    turns: pairs("five fifteen, six sixteen, seven nine, 8 18, 9 10, twelve ten"),
  },
  {
    text: "Explain to a student in the first year of medicine how the _ works, which of its parts are most often damaged, and what a patient notices first when something is wrong with it.",
    turns: pairs("heart liver, liver kidney, kidney spleen, lung heart, stomach pancreas, eye ear"),
  },
  {
    text: "We are a family of four with a limited budget and two weeks of holiday in August: describe a route by train through _ with at most one change a day, and say where we should book early.",
    turns: pairs(
      "Italy Spain, Spain Portugal, Austria Hungary, Norway Sweden, Poland Romania, Greece Croatia",
    ),
  },
  {
    text: "Suppose that a company sells its product for twenty euros, that each piece costs twelve euros to make and that its fixed costs are one hundred thousand euros a year: how does its profit change when the price _ by ten percent?",
    turns: pairs("rises falls, increases decreases, grows shrinks, climbs drops, doubles halves"),
  },
  {
    text: "Is it true that people who drink coffee in the evening sleep _ than people who drink tea, and which studies of the last twenty years have looked at that with more than a thousand participants?",
    turns: pairs("better worse, longer shorter, more less, earlier later, deeper lighter"),
  },
];

function kind(
  name: string,
  templates: readonly string[],
): readonly { readonly kind: string; readonly template: string }[] {
  return templates.map((template) => ({ kind: name, template }));
}

function list(text: string): readonly string[] {
  return text.split(" ");
}

function pairs(text: string): readonly (readonly [string, string])[] {
  return text.split(", ").map((pair) => {
    const [one = "", other = ""] = pair.split(" ");
    return [one, other] as const;
  });
}
