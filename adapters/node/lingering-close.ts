import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

/** How much a client may still send after its answer. */
export interface LingerLimits {
  readonly milliseconds: number;
  readonly bytes: number;
}

/** As long as a slow line takes for what is on its way, and some times the largest body that is taken. */
const LINGER_LIMITS: LingerLimits = { milliseconds: 5000, bytes: 64 * 1024 * 1024 };

/**
 * Let clients see answers that come before they have sent everything, such as 413. A socket that is closed with
 * bytes unread makes the system send a reset, at which clients throw away the answer that they have not read yet
 * (RFC 9112 section 9.6). So only our half is closed, and what still comes is read and dropped for a while.
 */
export function lingerOnClose(server: Server, limits: LingerLimits = LINGER_LIMITS): void {
  server.prependListener("request", (incoming, outgoing) => {
    // Before Node's own listener, which then ends the connection.
    outgoing.prependOnceListener("finish", () => {
      if (!incoming.complete) linger(incoming, incoming.socket, limits);
    });
  });
}

function linger(incoming: IncomingMessage, socket: Socket, limits: LingerLimits): void {
  // What Node calls where an answer is the connection's last.
  socket.destroySoon = () => {
    if (socket.writableEnded) return;
    socket.end();
    const most = socket.bytesRead + limits.bytes;
    const timer = setTimeout(() => socket.destroy(), limits.milliseconds);
    socket.once("close", () => clearTimeout(timer));
    incoming.once("close", () => socket.destroy());
    // Whoever began to read it has given up, and would hold it up.
    incoming.removeAllListeners("data").removeAllListeners("readable");
    incoming.on("data", () => {
      if (socket.bytesRead > most) socket.destroy();
    });
    incoming.resume();
  };
}
