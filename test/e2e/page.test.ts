import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe, { type AxeResults } from "axe-core";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import { CHROMIUM, isMissing } from "../fixtures/runtimes.ts";

const QUESTION = "What is quantization?";

describe.skipIf(isMissing(CHROMIUM))("the page at / in Chromium (skips without one)", () => {
  let open: ServerProcess;
  let keyed: ServerProcess;
  let context: BrowserContext;
  let profile: string;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    [open, keyed] = await Promise.all([startServer(), startServer(["--api-key", "sk-page"])]);
    profile = mkdtempSync(join(tmpdir(), "sirocco-page-"));
    context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      args: ["--no-sandbox"],
    });
  });

  afterAll(async () => {
    await context?.close();
    await Promise.all([open?.stop(), keyed?.stop()]);
    rmSync(profile, { recursive: true, force: true });
  });

  beforeEach(async () => {
    page = await context.newPage();
    complaints = [];
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(open.url);
    await until("document.querySelector('#model').options.length > 0");
  });

  afterEach(async () => {
    // Nothing that the page does breaks its own policy.
    expect(complaints).toEqual([]);
    await page.close();
  });

  /** Polled from outside: the page's policy forbids what playwright's own way of waiting needs. */
  const until = (expression: string) =>
    expect.poll(() => page.evaluate(expression), { timeout: 15_000 }).toBe(true);
  const answered = (count: number) =>
    until(`document.querySelectorAll("article.assistant:not(.busy)").length === ${count}`);
  const lastAnswer = () => page.locator("article.assistant .text").last().innerText();

  async function say(text: string): Promise<void> {
    await page.locator("#text").fill(text);
    await page.keyboard.press("Enter");
  }

  test("a question is answered, with a waterfall of its timing; the next one continues the talk", async () => {
    await page.locator("summary").click();
    await page.locator("#temperature").fill("0");
    await say(QUESTION);
    await answered(1);
    expect(await lastAnswer()).toContain("Quantization stores model weights");
    const stages = await page.locator(".waterfall li").allInnerTexts();
    expect(stages.map((text) => text.split(/\s/)[0])).toEqual(["Waiting", "Reading", "Writing"]);
    const widths = await page
      .locator(".waterfall .bar")
      .evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width));
    expect(widths.every((width) => width > 0)).toBe(true);
    expect(await page.locator("article.assistant footer").innerText()).toMatch(
      /\d+ tokens · .*tokens\/s/,
    );
    await say("Who are you?");
    await answered(2);
    expect(await page.locator("article.user").count()).toBe(2);
    // The JSON of the second request has the whole conversation.
    await page.getByRole("button", { name: "JSON" }).last().click();
    const shown = JSON.parse(await page.locator("pre.json").innerText());
    expect(shown.request.messages.map(({ role }: { role: string }) => role)).toEqual([
      "user",
      "assistant",
      "user",
    ]);
    expect(shown.events.length).toBeGreaterThan(3);
  });

  test("regenerate asks the same again and puts the answer in the old one's place", async () => {
    await say(QUESTION);
    await answered(1);
    // It may be over before anybody can look whether it has begun.
    const again = page.waitForResponse(/chat\/completions$/);
    await page.getByRole("button", { name: "Regenerate" }).click();
    await again;
    await answered(1);
    expect(await page.locator("article.user").count()).toBe(1);
    await page.getByRole("button", { name: "JSON" }).click();
    const { request } = JSON.parse(await page.locator("pre.json").innerText());
    expect(request.messages).toEqual([{ role: "user", content: QUESTION }]);
  });

  test("Escape stops a stream, keeps what has come and frees the slot; New chat forgets it", async () => {
    await page.locator("summary").click();
    await page.locator("#temperature").fill("2");
    await page.locator("#extra").fill('{"logit_bias": {"2": -100}, "stop": null}');
    await say("Tell me a long story.");
    await until("document.querySelector('.busy .text').textContent.length > 20");
    await page.keyboard.press("Escape");
    await answered(1);
    expect(await page.locator("article.assistant footer").innerText()).toContain("stopped");
    expect((await lastAnswer()).length).toBeGreaterThan(10);
    expect(await page.evaluate("document.activeElement.id")).toBe("text");
    await expect
      .poll(async () => await (await fetch(`${open.url}/metrics`)).text())
      .toMatch(/^vllm:num_requests_running(\{.*\})? 0$/m);
    await page.getByRole("button", { name: "New chat" }).click();
    expect(await page.locator("article").count()).toBe(0);
  });

  test("shows what went wrong in the server's words, and in its own where no JSON was given", async () => {
    await page.locator("summary").click();
    await page.locator("#extra").fill('{"no_such_field": 1}');
    await say(QUESTION);
    await answered(1);
    expect(await page.getByRole("alert").innerText()).toContain("no_such_field");
    await page.locator("#extra").fill("{");
    await say(QUESTION);
    await answered(2);
    expect(await page.getByRole("alert").last().innerText()).toContain("no JSON");
    complaints = complaints.filter((text) => !text.includes("400"));
  });

  test("shows how many requests run and wait, and tokens per second, while it is watched", async () => {
    await until("/running · \\d+ waiting/.test(document.querySelector('#live').textContent)");
    await say("Name three metrics to watch.");
    await until("/[1-9][\\d.]* tokens\\/s/.test(document.querySelector('#live').textContent)");
  });

  test("asks for a key where the server wants one", async () => {
    await page.goto(keyed.url);
    await until("document.querySelector('#about').textContent.includes('API key')");
    expect(await page.evaluate("document.activeElement.id")).toBe("key");
    await page.keyboard.type("sk-page");
    await page.keyboard.press("Tab");
    await until("document.querySelector('#model').options.length > 0");
    await say(QUESTION);
    await answered(1);
    expect(await lastAnswer()).not.toBe("");
    complaints = complaints.filter((text) => !text.includes("401"));
  });

  test.each(["light", "dark"] as const)(
    "axe finds nothing to complain about in %s",
    async (scheme) => {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await page.locator("summary").click();
      await say(QUESTION);
      await answered(1);
      await page.getByRole("button", { name: "JSON" }).click();
      await page.evaluate(axe.source);
      const results = await page.evaluate<AxeResults>("axe.run()");
      expect(
        results.violations.map(({ id, nodes }) => [
          id,
          nodes.map(({ html }) => html.slice(0, 120)),
        ]),
      ).toEqual([]);
      expect(results.passes.length).toBeGreaterThan(15);
      const ground = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
      expect(ground).toBe(scheme === "light" ? "rgb(250, 247, 242)" : "rgb(23, 20, 15)");
    },
  );

  test("everything is reached by keyboard, in the order in which it stands", async () => {
    await say(QUESTION);
    await answered(1);
    await page.locator("#main").focus();
    const reached: string[] = [];
    for (let i = 0; i < 8; i++) {
      await page.keyboard.press("Tab");
      reached.push(
        await page.evaluate<string>(
          "document.activeElement.id || document.activeElement.textContent.trim()",
        ),
      );
    }
    expect(reached.slice(0, 8)).toEqual([
      "Copy",
      "JSON",
      "Regenerate",
      "text",
      "send",
      "Parameters",
      "theme",
      "clear",
    ]);
  });
});
