/** A thread that shares the computing. Started by compute-threads.ts only. */
import { workerData } from "node:worker_threads";
import { serveAsMember, type MemberTask } from "../../backends/wasm/threads/member.ts";

await serveAsMember(workerData as MemberTask, () => performance.now());
