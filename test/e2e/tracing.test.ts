import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import {
  lacksOtlpReceiver,
  startOtlpReceiver,
  type OtlpReceiver,
} from "../fixtures/otlp-receiver.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER = "00f067aa0ba902b7";
const SECRET = "a question that nobody else has to know";

const traced = (id: string) => ({ traceparent: `00-${id}-${CALLER}-01` });

describe.skipIf(lacksOtlpReceiver())(
  "traces reach a real collector (skips without pip to install it)",
  () => {
    let receiver: OtlpReceiver;
    let server: ServerProcess;

    beforeAll(async () => {
      receiver = await startOtlpReceiver();
      server = await startServer(["--otlp", receiver.endpoint, "--api-key", "sk-planted"]);
    }, 120_000);

    afterAll(async () => {
      await server?.stop();
      await receiver?.close();
    });

    const seen = (trace: string) => receiver.spans().some(({ traceId }) => traceId === trace);
    const rootOf = (id: string) =>
      receiver.spans().find(({ traceId, parentId }) => traceId === id && parentId === CALLER);
    const ask = (body: object, headers: Record<string, string> = {}) =>
      fetch(`${server.url}/v1/chat/completions?token=planted`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: "Bearer sk-planted",
          ...headers,
        },
        body: JSON.stringify({
          model: "sirocco-demo.q8_0",
          messages: [{ role: "user", content: SECRET }],
          max_tokens: 40,
          ...body,
        }),
      });
    test("a stream's spans continue the caller's trace and end when the stream ends", async () => {
      const began = BigInt(Date.now()) * 1_000_000n;
      const response = await ask({ stream: true, temperature: 0.5 }, traced(TRACE));
      const [, , ownSpan] = response.headers.get("traceparent")!.split("-");
      const headersAt = BigInt(Date.now()) * 1_000_000n;
      await response.text();
      const ended = BigInt(Date.now() + 1) * 1_000_000n;
      await expect
        .poll(() => receiver.spans().filter(({ traceId }) => traceId === TRACE).length, {
          timeout: 10_000,
        })
        .toBe(6);
      const spans = receiver.spans().filter(({ traceId }) => traceId === TRACE);
      const root = spans.find(({ parentId }) => parentId === CALLER)!;
      expect(root).toMatchObject({
        spanId: ownSpan,
        name: "chat sirocco-demo.q8_0",
        kind: "SPAN_KIND_SERVER",
        attributes: {
          "gen_ai.operation.name": "Str(chat)",
          "gen_ai.provider.name": "Str(sirocco)",
          "gen_ai.request.model": "Str(sirocco-demo.q8_0)",
          "gen_ai.request.max_tokens": "Int(40)",
          "gen_ai.request.temperature": "Double(0.5)",
          "http.response.status_code": "Int(200)",
          "url.path": "Str(/v1/chat/completions)",
        },
      });
      expect(root.attributes["gen_ai.usage.output_tokens"]).toMatch(/^Int\([1-9]\d*\)$/);
      // Both ends of the server's span lie where this test saw them.
      expect(root.start).toBeGreaterThanOrEqual(began - 50_000_000n);
      expect(root.end).toBeGreaterThanOrEqual(headersAt - 50_000_000n);
      expect(root.end).toBeLessThanOrEqual(ended + 50_000_000n);

      const children = spans
        .filter(({ parentId }) => parentId === root.spanId)
        .toSorted((a, b) => Number(a.start - b.start));
      expect(children.map(({ name }) => name).toSorted()).toEqual(
        ["decode", "prefill", "queue", "tokenize", "write"].toSorted(),
      );
      const named = (name: string) => children.find((span) => span.name === name)!;
      const order = ["tokenize", "queue", "prefill", "decode"].map(named);
      for (const [i, span] of order.entries()) {
        expect(span.start).toBeGreaterThanOrEqual(root.start);
        expect(span.end).toBeGreaterThanOrEqual(span.start);
        expect(span.end).toBeLessThanOrEqual(root.end + 5_000_000n);
        if (i > 0) expect(span.start).toBeGreaterThanOrEqual(order[i - 1]!.end - 5_000_000n);
      }
      expect(named("decode").end).toBeGreaterThan(named("decode").start);
      expect(named("write").end).toBeGreaterThanOrEqual(named("decode").end - 5_000_000n);
    });

    test("an answer in one piece and a failure are traced as well, with what went wrong", async () => {
      const [fine, wrong] = ["1".repeat(32), "2".repeat(32)];
      await (await ask({}, traced(fine))).text();
      await (await ask({ temperature: 9 }, traced(wrong))).text();
      await expect.poll(() => rootOf(wrong), { timeout: 10_000 }).toBeDefined();
      expect(rootOf(fine)?.attributes["gen_ai.response.finish_reasons"]).toMatch(/stop|length/);
      expect(rootOf(wrong)).toMatchObject({
        name: "POST /v1/chat/completions",
        attributes: {
          "error.type": "Str(INVALID_REQUEST)",
          "http.response.status_code": "Int(400)",
        },
      });
    });

    test("what the caller does not record is not recorded, and still passed on", async () => {
      const id = "3".repeat(32);
      const response = await ask({}, { traceparent: `00-${id}-${CALLER}-00` });
      await response.text();
      expect(response.headers.get("traceparent")).toMatch(new RegExp(`^00-${id}-[0-9a-f]{16}-00$`));
      await expect.poll(() => server.log()).toContain(`"traceparent":"00-${id}-`);
      const marker = "4".repeat(32);
      await (await ask({}, traced(marker))).text();
      await expect.poll(() => seen(marker), { timeout: 10_000 }).toBe(true);
      expect(seen(id)).toBe(false);
    });

    test("31 no prompt, no key and no query is in any trace, and nothing was refused", () => {
      const output = receiver.output();
      expect(output).toContain("service.name: Str(sirocco)");
      expect(output).not.toContain(SECRET);
      expect(output).not.toContain("planted");
      expect(output).not.toContain("ERROR");
    });
  },
);
