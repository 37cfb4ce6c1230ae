/** Names of properties that a schema does not name: what they may be, and what each asks of its value. */
import {
  type CharGraph,
  complementGraph,
  hasText,
  intersectGraphs,
  otherThan,
} from "../char-graph.ts";
import { unsupported } from "../problem.ts";
import { mapOf, propertiesOf, schemaOf } from "./check.ts";
import { MAX_NAME_PATTERNS, type Part, type Place } from "./keywords.ts";
import { patternGraph, stringGraph } from "./string.ts";

/** Names that are alike in what they ask for. */
export interface NameKind {
  readonly graph: CharGraph;
  readonly places: readonly Place[];
}

/** What the names of an object's properties may be. */
export interface Names {
  /** Whether a name is allowed at all. */
  allows(name: string): boolean;
  /** What is asked of the value of a property by its name. */
  placesOf(name: string): readonly Place[];
  /** Names that are not among `named`, by kinds. `closed`: only those that some pattern describes. */
  others(named: readonly string[], closed: boolean): readonly NameKind[];
}

/** A pattern of names, and what it asks for. */
interface NamePattern {
  readonly part: Part;
  readonly graph: CharGraph;
  readonly place: Place;
}

/** The names that `properties`, `patternProperties`, `additionalProperties` and `propertyNames` allow. */
export function namesOf(
  parts: readonly Part[],
  flatten: (places: readonly Place[]) => readonly Part[] | undefined,
): Names {
  const patterns = parts.flatMap((part) =>
    [...mapOf(part, "patternProperties")].map(([pattern, place]): NamePattern => ({
      part,
      graph: patternGraph(pattern, place.path),
      place,
    })),
  );
  if (patterns.length > MAX_NAME_PATTERNS) {
    throw unsupported(
      `${patterns[0]!.part.path}.patternProperties`,
      `at most ${MAX_NAME_PATTERNS} patterns are enforced together`,
    );
  }
  const spelling = spellingOf(parts, flatten);

  return {
    allows: (name) => spelling === "free" || (spelling !== "none" && hasText(spelling, name)),
    placesOf(name) {
      const matched = patterns.filter(({ graph }) => hasText(graph, name));
      return parts.flatMap((part) => asked(part, matched, name));
    },
    others(named, closed) {
      const kinds: NameKind[] = [];
      const free = otherThan(named);
      const unmatched = patterns.map(({ graph, place }) => complementGraph(graph, place.path));
      for (let which = 0; which < 2 ** patterns.length; which++) {
        const matched = patterns.filter((_, i) => ((which >> i) & 1) === 1);
        const places = parts.flatMap((part) => asked(part, matched));
        if ((closed && matched.length === 0) || places.some(({ schema }) => schema === false))
          continue;
        if (spelling === "none") continue;
        const graphs = patterns.map(({ graph }, i) =>
          ((which >> i) & 1) === 1 ? graph : unmatched[i]!,
        );
        if (spelling !== "free") graphs.push(spelling);
        const path = patterns[0]?.place.path ?? parts[0]!.path;
        kinds.push({
          graph: graphs.reduce((a, b) => intersectGraphs(a, b, path), free),
          places,
        });
      }
      return kinds;
    },
  };
}

/** What a part asks of the value of a name that these patterns match. */
function asked(part: Part, matched: readonly NamePattern[], name?: string): readonly Place[] {
  const own = name === undefined ? undefined : propertiesOf(part).get(name);
  const places = own === undefined ? [] : [own];
  for (const one of matched) if (one.part === part) places.push(one.place);
  const rest = places.length === 0 ? schemaOf(part, "additionalProperties") : undefined;
  return rest === undefined ? places : [rest];
}

/** How names may be spelled, by `propertyNames`. */
function spellingOf(
  parts: readonly Part[],
  flatten: (places: readonly Place[]) => readonly Part[] | undefined,
): CharGraph | "free" | "none" {
  const places = parts.flatMap((part) => schemaOf(part, "propertyNames") ?? []);
  if (places.length === 0) return "free";
  const flat = flatten(places);
  return (flat === undefined ? undefined : stringGraph(flat)) ?? "none";
}
