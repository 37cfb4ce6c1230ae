/** Tools for models whose chat template knows nothing of them: described and called in ordinary text. */
import type { ChatMessage } from "../chat/template.ts";
import type { ToolUse } from "./tools.ts";

/**
 * The conversation with a system message about the tools, with earlier calls as text of the assistant and with what
 * they returned as text of the user.
 */
export function describeTools(
  messages: readonly ChatMessage[],
  use: ToolUse | undefined,
): readonly ChatMessage[] {
  const turns: ChatMessage[] = [];
  for (const message of messages) {
    const { role, content, toolCalls = [] } = message;
    const last = turns.at(-1);
    if (role === "tool") {
      const returned = `<tool_response>\n${content}\n</tool_response>`;
      const follows = last?.role === "user" && last.content.endsWith("</tool_response>");
      if (follows) turns[turns.length - 1] = { ...last, content: `${last.content}\n${returned}` };
      else turns.push({ role: "user", content: returned });
    } else if (toolCalls.length > 0) {
      const calls = toolCalls.map(({ function: { name, arguments: json } }) => {
        const call = JSON.stringify({ name, arguments: json });
        return `<tool_call>\n${call}\n</tool_call>`;
      });
      turns.push({ role, content: [content, ...calls].filter((text) => text !== "").join("\n") });
    } else {
      turns.push(message);
    }
  }
  if (use === undefined) return turns;
  const text = instructions(use);
  const [first, ...others] = turns;
  if (first?.role !== "system") return [{ role: "system", content: text }, ...turns];
  return [{ ...first, content: `${first.content}\n\n${text}` }, ...others];
}

function instructions({ tools }: ToolUse): string {
  const lines = tools.map(({ name, description, parameters }) =>
    JSON.stringify({ name, description, parameters }),
  );
  return [
    "You can call functions. Each line between <tools> and </tools> describes one, its parameters as JSON Schema:",
    "<tools>",
    ...lines,
    "</tools>",
    "To call a function, write its name and arguments as JSON between <tool_call> and </tool_call>:",
    "<tool_call>",
    '{"name": "the function\'s name", "arguments": {"a parameter": "its value"}}',
    "</tool_call>",
    "What it returns follows between <tool_response> and </tool_response>.",
  ].join("\n");
}
