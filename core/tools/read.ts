/** Tells the calls in a turn from its text while it is being written. */
import type { AnswerEvent, AnswerText } from "../answer/answer.ts";
import type { TurnEvent } from "./events.ts";
import type { ToolForm } from "./forms.ts";

/** Letters of ids. */
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** Mistral's templates take no other length; for others it says what it is. */
const ID_LENGTH = 9;
const ID_PREFIX = "call_";

/** The beginning of a call up to its arguments. */
const JSON_HEAD =
  /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*/;

/**
 * The turn whose answer this is, written in a form. The answer has been held to the form (`expression.ts`), so that
 * nothing here can be malformed, only cut off: what there is of a call is then passed on, its end is missing.
 */
export async function* readTurn(
  answer: AsyncGenerator<AnswerEvent, void, undefined>,
  form: ToolForm,
): AsyncGenerator<TurnEvent, void, undefined> {
  const reader = createReader(form);
  for await (const event of answer) {
    if (event.type === "text") {
      yield* reader.push(event);
      continue;
    }
    yield* reader.end();
    const called = reader.calls > 0 && event.reason === "stop";
    yield called ? { ...event, reason: "tool_calls" } : event;
  }
}

interface Reader {
  push(event: AnswerText): TurnEvent[];
  end(): TurnEvent[];
  /** Calls that have begun. */
  readonly calls: number;
}

/** `text` until the first sign, `head` until the arguments, `arguments`, `tail` until another call. */
type Place = "begin" | "text" | "head" | "arguments" | "tail";

function createReader(form: ToolForm): Reader {
  const { name: kind, open, close } = form;
  let place: Place = kind === "llama" ? "begin" : "text";
  let held = "";
  let calls = 0;
  const scan = createScanner();

  /** Take what can be told from what is held; `false` where more is needed. */
  function step(events: TurnEvent[], tokens: AnswerText["tokens"]): boolean {
    switch (place) {
      case "begin":
        if (held === "") return false;
        place = held.startsWith("{") ? "head" : "text";
        if (open.token !== undefined && held.startsWith(open.text)) {
          held = held.slice(open.text.length);
          place = "head";
        }
        return true;
      case "text":
        return takeText(events, tokens);
      case "head":
        return takeHead(events);
      case "arguments":
        return takeArguments(events);
      case "tail": {
        const sign = kind === "mistral" ? "{" : open.text;
        const at = kind === "llama" ? -1 : held.indexOf(sign);
        if (at < 0) return false;
        held = held.slice(kind === "mistral" ? at : at + sign.length);
        place = "head";
        return true;
      }
      default:
        return place satisfies never;
    }
  }

  function takeText(events: TurnEvent[], tokens: AnswerText["tokens"]): boolean {
    const at = kind === "llama" ? -1 : held.indexOf(open.text);
    const free = at < 0 ? held.length - (kind === "llama" ? 0 : begun(held, open.text)) : at;
    if (free > 0 || (at < 0 && held === "" && tokens.length > 0)) {
      events.push({ type: "text", text: held.slice(0, free), tokens });
    }
    held = held.slice(at < 0 ? free : at + open.text.length);
    if (at < 0) return false;
    // An array's bracket comes before the first call.
    place = kind === "mistral" ? "tail" : "head";
    return true;
  }

  function takeHead(events: TurnEvent[]): boolean {
    let name: string;
    if (kind === "mistral-args") {
      const at = held.indexOf(close.text);
      if (at < 0) return false;
      name = held.slice(0, at).trim();
      held = held.slice(at + close.text.length).trimStart();
    } else {
      const found = JSON_HEAD.exec(held);
      // A blank at its end may be the first of several.
      if (found === null || found[0].length === held.length) return false;
      name = JSON.parse(found[1]!) as string;
      held = held.slice(found[0].length);
    }
    const short = kind === "mistral" || kind === "mistral-args";
    const id = (short ? "" : ID_PREFIX) + randomLetters();
    events.push({ type: "tool_call", index: calls++, id, name, arguments: "" });
    scan.begin();
    place = "arguments";
    return true;
  }

  function takeArguments(events: TurnEvent[]): boolean {
    if (held === "") return false;
    const end = scan.end(held);
    const json = held.slice(0, end ?? held.length);
    held = held.slice(json.length);
    events.push({ type: "tool_call", index: calls - 1, arguments: json });
    if (end === undefined) return false;
    place = "tail";
    return true;
  }

  return {
    push({ text, tokens }) {
      held += text;
      const events: TurnEvent[] = [];
      while (step(events, tokens));
      return events;
    },
    end() {
      if (place !== "text" || held === "") return [];
      return [{ type: "text", text: held, tokens: [] }];
    },
    get calls() {
      return calls;
    },
  };
}

/** How many characters at the end of a text may be the beginning of a sign. */
function begun(text: string, sign: string): number {
  let length = Math.min(text.length, sign.length - 1);
  while (!text.endsWith(sign.slice(0, length))) length--;
  return length;
}

interface Scanner {
  begin(): void;
  /** Where in this further piece the object ends; `undefined` where it goes on. */
  end(piece: string): number | undefined;
}

/** Finds the end of a JSON object that comes in pieces. */
function createScanner(): Scanner {
  let depth = 0;
  let quoted = false;
  let escaped = false;
  return {
    begin() {
      depth = 0;
      quoted = escaped = false;
    },
    end(piece) {
      for (let i = 0; i < piece.length; i++) {
        const char = piece[i];
        if (escaped) escaped = false;
        else if (quoted && char === "\\") escaped = true;
        else if (char === '"') quoted = !quoted;
        else if (quoted) continue;
        else if (char === "{" || char === "[") depth++;
        else if ((char === "}" || char === "]") && --depth === 0) return i + 1;
      }
      return undefined;
    },
  };
}

function randomLetters(): string {
  const numbers = crypto.getRandomValues(new Uint32Array(ID_LENGTH));
  return Array.from(numbers, (number) => LETTERS[number % LETTERS.length]).join("");
}
