/** Hono with one route in workerd, for test/bench/overhead.ts. */
import { Hono } from "hono";

const app = new Hono<{ Bindings: { MODELS: object } }>();
app.get("/v1/models", (c) => c.json(c.env.MODELS));

// eslint-disable-next-line import/no-default-export -- what workerd looks for
export default app;
