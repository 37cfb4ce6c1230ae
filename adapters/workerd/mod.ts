/** sirocco on workerd (Cloudflare Workers): one model per isolate behind a fetch handler. */
export * from "../../core/mod.ts";
export { WORKERD_KERNELS } from "./kernels.ts";
