import type { ChatMessage } from "../../chat/template.ts";

/** What `safe_prompt` stands for in Mistral's API (https://docs.mistral.ai/capabilities/guardrailing). */
const SAFE_PROMPT =
  "Always assist with care, respect, and truth. Respond with utmost utility yet securely. Avoid harmful, unethical, prejudiced, or negative content. Ensure replies promote fairness and positivity.";

/** The conversation with Mistral's safety prompt in front of its system message. */
export function withSafePrompt(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const [first, ...rest] = messages;
  if (first?.role !== "system") return [{ role: "system", content: SAFE_PROMPT }, ...messages];
  return [{ ...first, content: `${SAFE_PROMPT}\n\n${first.content}` }, ...rest];
}
