/** Hono with one route in workerd, for test/bench/overhead.ts. */
import { Hono } from "hono";

const app = new Hono<{ Bindings: { ANSWER: string } }>();
const headers = { "content-type": "application/json" };
app.get("/v1/models", (c) => c.body(c.env.ANSWER, 200, headers));
app.post("/v1/chat/completions", async (c) => {
  // workerd closes the connection of a request whose body nobody reads.
  await c.req.arrayBuffer();
  return c.body(c.env.ANSWER, 200, headers);
});

// eslint-disable-next-line import/no-default-export -- what workerd looks for
export default app;
