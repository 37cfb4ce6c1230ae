// A server for test/bench/overhead.ts, in whichever runtime runs this: `bare` is hono with one route and
// nothing else, `sirocco` the server of the package as it is installed. Prints the address.
import { Hono } from "hono";

const [variant, answer] = process.argv.slice(2);
const runtime =
  globalThis.Bun !== undefined ? "bun" : globalThis.Deno !== undefined ? "deno" : "node";

if (variant === "sirocco") {
  const { serve, demoModel } = await import(`../../../dist/adapters/${runtime}/mod.js`);
  const server = await serve({
    load: { model: demoModel, threads: 1 },
    port: 0,
    cache: { stores: ["memory"] },
  });
  await server.ready;
  console.log(server.url);
} else {
  const app = new Hono();
  const headers = { "content-type": "application/json" };
  app.get("/v1/models", (c) => c.body(answer, 200, headers));
  app.post("/v1/chat/completions", (c) => c.body(answer, 200, headers));
  if (runtime === "bun") {
    const { url } = globalThis.Bun.serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
    console.log(url.origin);
  } else if (runtime === "deno") {
    const { addr } = globalThis.Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      app.fetch,
    );
    console.log(`http://127.0.0.1:${addr.port}`);
  } else {
    const { serve } = await import("@hono/node-server");
    serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
      console.log(`http://127.0.0.1:${port}`),
    );
  }
}
