import type { MessagePort } from "node:worker_threads";
import type { EnginePort, PortMessage } from "../../core/engine/wire.ts";

/**
 * Node's end of a message channel as the engine's two sides use it. `hearsClose` is false for whoever learns of the
 * other side's end by other means.
 */
export function toEnginePort(
  port: MessagePort,
  { hearsClose = true }: { readonly hearsClose?: boolean } = {},
): EnginePort {
  return {
    postMessage: (message) => port.postMessage(message),
    addEventListener(type: "message" | "close", listener: (event: PortMessage) => void) {
      if (type === "message" || hearsClose) port.on(type, (data: unknown) => listener({ data }));
    },
    start: () => port.start(),
    close: () => port.close(),
  };
}
