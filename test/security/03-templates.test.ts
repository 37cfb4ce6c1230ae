import { describe, expect, test } from "vitest";
import { createChatTemplate } from "../../core/chat/create.ts";
import { createScriptedApp } from "../fixtures/scripted-app.ts";
import { byteTokenizer } from "../fixtures/scripted-engine.ts";

const render = (source: string) =>
  createChatTemplate(source, byteTokenizer).tokens([{ role: "user", content: "hi" }]);

describe("03 chat templates reach nothing and end (all of it: test/core/chat)", () => {
  test.each([
    "{{ ''.constructor.constructor('return process')() }}",
    "{{ messages.__proto__.polluted }}",
    "{{ messages[0].constructor.prototype }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ self._TemplateReference__context }}",
    "{% import 'os' as os %}{{ os }}",
    "{% include '/etc/passwd' %}",
  ])("%s gives nothing of the host", (source) => {
    let text = "";
    try {
      text = String.fromCharCode(...render(source).filter((token) => token < 256));
    } catch (error) {
      expect(error).toMatchObject({ name: "RuntimeError" });
    }
    expect(text).not.toMatch(/root:|function|\[object|process|uid=/);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test("loops without end are cut off", () => {
    const endless =
      "{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}";
    expect(() => render(endless)).toThrow(expect.objectContaining({ code: "TEMPLATE_FAILED" }));
  });
});

describe("04 a request cannot pass anything to the template", () => {
  test.each(["chat_template", "chat_template_kwargs", "add_generation_prompt", "tokenize"])(
    "%s is refused by name",
    async (field) => {
      const { post, engine } = createScriptedApp({ reply: "x" });
      const messages = [{ role: "user", content: "hi" }];
      const body = { model: "m", messages, [field]: { tokenize: true } };
      const response = await post("/v1/chat/completions", body);
      expect(response.status).toBe(400);
      expect(await response.text()).toContain(field);
      expect(engine.requests).toHaveLength(0);
    },
  );
});
