/** The parts of the template engine's syntax tree and values that this project looks into. */

/** A node of the syntax tree; what else it has depends on `type`. */
export interface Node {
  readonly type: string;
}

/** A node that stands for a value which is known already. */
export interface Held extends Node {
  readonly type: "Held";
  readonly held: Value;
}

/** A value while a template runs. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
}

export interface Program extends Node {
  readonly body: readonly Node[];
}

export interface For extends Node {
  readonly loopvar: Node;
  readonly iterable: Node;
  readonly body: readonly Node[];
  readonly defaultBlock: readonly Node[];
}

export interface Select extends Node {
  readonly lhs: Node;
  readonly test: Node;
}

export interface Mapping extends Node {
  readonly value: ReadonlyMap<Node, Node>;
}

export interface Filter extends Node {
  readonly operand: Node;
  readonly filter: Name | Call;
}

export interface FilterBlock extends Node {
  readonly filter: Name | Call;
  readonly body: readonly Node[];
}

export interface Name extends Node {
  readonly type: "Identifier";
  readonly value: string;
}

export interface Call extends Node {
  readonly type: "CallExpression";
  readonly callee: Node;
  readonly args: readonly Node[];
}

export interface CallBlock extends Node {
  readonly call: Call;
  readonly callerArgs: readonly Node[] | null;
  readonly body: readonly Node[];
}

export interface KeywordArgument extends Node {
  readonly key: Name;
  readonly value: Node;
}

export interface Spread extends Node {
  readonly argument: Node;
}

export interface Member extends Node {
  readonly object: Node;
  readonly property: Node;
  readonly computed: boolean;
}

export interface Binary extends Node {
  readonly operator: { readonly value: string };
  readonly left: Node;
  readonly right: Node;
}

export interface Test extends Node {
  readonly operand: Node;
  readonly negate: boolean;
  readonly test: Name;
}

/** A node for a value that is known already. */
export function hold(held: Value): Held {
  return { type: "Held", held };
}

/** The text of a string. */
export function textOf(value: Value): string | undefined {
  return value.type === "StringValue" ? (value.value as string) : undefined;
}

/** The items of a list or tuple. */
export function itemsOf(value: Value): readonly Value[] | undefined {
  return value.type === "ArrayValue" || value.type === "TupleValue"
    ? (value.value as readonly Value[])
    : undefined;
}

/** The entries of a mapping or namespace. */
export function entriesOf(value: Value): ReadonlyMap<string, Value> | undefined {
  switch (value.type) {
    case "ObjectValue":
    case "KeywordArgumentsValue":
    case "NamespaceValue":
      return value.value as ReadonlyMap<string, Value>;
    default:
      return undefined;
  }
}

/** Every node below `root` and itself, without recursion: a hostile tree is as deep as its source is long. */
export function* nodesOf(root: unknown): Generator<Node> {
  const open: unknown[] = [root];
  while (open.length > 0) {
    const item = open.pop();
    if (typeof item !== "object" || item === null) continue;
    if (item instanceof Map) {
      for (const [key, value] of item) open.push(key, value);
      continue;
    }
    if (!Array.isArray(item) && "type" in item) yield item as Node;
    for (const child of Object.values(item)) open.push(child);
  }
}
