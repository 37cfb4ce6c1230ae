import { getRequestListener } from "@hono/node-server";

/**
 * The server's own `Response`, of which it writes headers and bytes to the socket as they were given; a
 * `Response` of Node is taken apart again for that, which halves the requests per second of short answers.
 *
 * The server offers the class only by putting it into the place of the global one. That is allowed for the
 * moment of one call: the program that we are a library of keeps its own.
 */
export const LightResponse: typeof Response = capture();

function capture(): typeof Response {
  const names = ["Request", "Response"] as const;
  const own = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
  getRequestListener(() => new Response());
  const light = globalThis.Response;
  for (const [i, name] of names.entries()) {
    const descriptor = own[i];
    if (descriptor !== undefined) Object.defineProperty(globalThis, name, descriptor);
  }
  return light;
}
