import { describe, expect, test } from "vitest";
import { createScriptedApp, framesOf } from "../../fixtures/scripted-app.ts";

const PATH = "/v1/chat/completions";
const BODY = { model: "m", messages: [{ role: "user", content: "hi" }], stream: true };
const ACCEPT = { accept: "text/event-stream" };

/** Ids and data of events; `[DONE]` has no id. */
async function eventsOf(response: Response): Promise<{ id?: string; data: string }[]> {
  return (await framesOf(response)).map((frame) => {
    const lines = frame.split("\n");
    const id = lines.find((line) => line.startsWith("id: "))?.slice(4);
    const data = lines.find((line) => line.startsWith("data: "))!.slice(6);
    return id === undefined ? { data } : { id, data };
  });
}

/** Without durations, which are another computation's. */
function timeless(data: string): string {
  return data.replace(/"timings":\{[^}]*\}/, "");
}

describe("a stream of numbered events", () => {
  test("can be resumed after each of them: the parts are the whole", async () => {
    const app = createScriptedApp({ reply: "abcdef" });
    const whole = await eventsOf(await app.post(PATH, BODY, { headers: ACCEPT }));
    expect(whole.length).toBe(9);
    expect(whole.at(-1)).toEqual({ data: "[DONE]" });
    const [{ tokens, sampling }] = app.engine.requests as [(typeof app.engine.requests)[0]];
    // Another server, whose clock and ids go on differently.
    const other = createScriptedApp(
      { reply: "abcdef" },
      { wallClock: () => 1_800_000_000_000, randomId: () => "other" },
    );
    for (const [i, event] of whole.slice(0, -1).entries()) {
      const headers = { "last-event-id": event.id! };
      const rest = await eventsOf(await other.post(PATH, BODY, { headers }));
      const wanted = whole.slice(i + 1);
      expect(rest.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id));
      expect(rest.map(({ data }) => timeless(data))).toEqual(
        wanted.map(({ data }) => timeless(data)),
      );
      // Unseeded as the request is, it is answered with the seed of the first time.
      expect(other.engine.requests.at(-1)).toMatchObject({
        tokens,
        sampling: { seed: sampling.seed },
      });
    }
  });

  test("is for those who ask for it, and other streams have no ids", async () => {
    const { post } = createScriptedApp({ reply: "ab" });
    for (const headers of [{}, { accept: "application/json" }]) {
      const text = await (await post(PATH, BODY, { headers })).text();
      expect(text).not.toContain("id: ");
    }
    const several = await post(PATH, { ...BODY, n: 2 }, { headers: ACCEPT });
    expect(await several.text()).not.toContain("id: ");
  });

  test("is refused with ids that are not ours, of another model, or for what is no stream", async () => {
    const { post } = createScriptedApp({ reply: "ab" });
    const [first] = await eventsOf(await post(PATH, BODY, { headers: ACCEPT }));
    const id = first!.id!;
    const refused: [string, object, RegExp][] = [
      ["", BODY, /no event id/],
      ["17", BODY, /no event id/],
      [id.replace(/:\d+$/, ":x"), BODY, /no event id/],
      [id.replace(/\.[^.]+\.fp_/, ".zzzzzzz.fp_"), BODY, /no event id/],
      [id.replace(/fp_\w+/, "fp_0123"), BODY, /ask anew/],
      [id, { ...BODY, stream: false }, /Last-Event-ID/],
      [id, { ...BODY, n: 2 }, /Last-Event-ID/],
    ];
    for (const [last, body, message] of refused) {
      const response = await post(PATH, body, { headers: { "last-event-id": last } });
      expect(response.status).toBe(400);
      expect(((await response.json()) as { error: { message: string } }).error.message).toMatch(
        message,
      );
    }
  });

  test("that was read to its end resumes with what ends it", async () => {
    const { post } = createScriptedApp({ reply: "ab" });
    const whole = await eventsOf(await post(PATH, BODY, { headers: ACCEPT }));
    const headers = { "last-event-id": whole.at(-2)!.id! };
    expect(await (await post(PATH, BODY, { headers })).text()).toBe("data: [DONE]\n\n");
  });
});

describe("x-sirocco-timeout-ms", () => {
  test("reaches the engine as what is left of it, under Portkey's name as well", async () => {
    for (const name of ["x-sirocco-timeout-ms", "x-portkey-request-timeout"]) {
      let clock = 100;
      const { post, engine } = createScriptedApp({ reply: "a" }, { now: () => (clock += 0.25) });
      expect((await post(PATH, BODY, { headers: { [name]: "500" } })).status).toBe(200);
      const { deadlineMs } = engine.requests[0]!;
      expect(deadlineMs).toBeLessThan(500);
      expect(deadlineMs).toBeGreaterThan(490);
    }
  });

  test("is refused where it is no such number, and answered with 504 where it is over", async () => {
    let clock = 0;
    const { post, engine } = createScriptedApp({ reply: "a" }, { now: () => (clock += 10) });
    for (const value of ["0", "-5", "1.5", "soon", "999999999"]) {
      const response = await post(PATH, BODY, { headers: { "x-sirocco-timeout-ms": value } });
      expect(response.status).toBe(400);
    }
    const late = await post(PATH, BODY, { headers: { "x-sirocco-timeout-ms": "5" } });
    expect(late.status).toBe(504);
    expect(await late.json()).toMatchObject({ error: { code: "deadline_exceeded" } });
    expect(engine.requests).toEqual([]);
  });
});
