/** A thread that shares the computing. Started by compute-threads.ts only. */
import { serveAsMember, type MemberTask } from "../../backends/wasm/threads/member.ts";

self.addEventListener(
  "message",
  ({ data }) => void serveAsMember(data as MemberTask, () => performance.now()),
  { once: true },
);
