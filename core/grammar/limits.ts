/**
 * What a grammar may cost. A grammar comes from a client and is compiled in the thread that answers HTTP, so that
 * each limit bounds milliseconds or mebibytes there; the comments say how much.
 */

/** Characters of a schema as JSON, or of a grammar. Schemas of real programs have a tenth of it. */
export const MAX_SOURCE_CHARS = 65_536;

/** Characters of a regular expression; a longer one is a program and belongs into a grammar. */
export const MAX_REGEX_CHARS = 1024;

/** How deep a schema nests; OpenAI allows 10. */
export const MAX_SCHEMA_DEPTH = 32;

/** Objects, lists and values of a schema; OpenAI allows 5,000 properties, each of a few. */
export const MAX_SCHEMA_NODES = 20_000;

/** How deep groups of a regular expression or a grammar nest: the parsers recurse. */
export const MAX_GROUP_DEPTH = 64;

/** Conjunctions that `allOf` beside `anyOf` multiply out to. */
export const MAX_CONJUNCTIONS = 5_000;

/** States of a compiled grammar: about 3 MiB and, with their edges, 100 ms of the thread that answers HTTP. */
export const MAX_STATES = 60_000;

/** Edges of a compiled grammar. */
export const MAX_EDGES = 300_000;

/** States of an intersection of string constraints, such as two patterns. */
export const MAX_PRODUCT_STATES = 20_000;

/** Edges looked at to find what a pattern does not match: some tens of milliseconds. */
export const MAX_COMPLEMENT_WORK = 2_000_000;

/** How deep rules call one another in a text: brackets within brackets. JSON here may nest 64 deep, too. */
export const MAX_CALL_DEPTH = 192;

/**
 * Bytes of the shortest text that an answer is brought to an end with: as many as 4096 tokens of a context can hardly
 * be without, and found in a few milliseconds. Where a form needs more, its answers end where their tokens do.
 */
export const MAX_ENDING = 8_192;

/** Alternatives that a grammar may leave open at one place of a text. More are an accident or an attack. */
export const MAX_OPEN_ITEMS = 2_048;

/** Edges looked at to compute one mask: about 30 ms, in the thread that all answers wait for. */
export const MAX_MASK_WORK = 3_000_000;

/** States of the automaton that a grammar keeps; beyond them it forgets all and starts again. */
export const MAX_KEPT_STATES = 20_000;

/** Items that these states consist of, likewise: about 6 MiB. */
export const MAX_KEPT_ITEMS = 60_000;

/** Bytes of masks that an engine keeps for one grammar: thousands of states of a 32k vocabulary. */
export const MAX_MASK_BYTES = 8_388_608;

/** Grammars that an engine or a server keeps compiled: with all above at their worst less than 600 MiB. */
export const MAX_KEPT_GRAMMARS = 32;
