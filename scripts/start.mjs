// `npm start` shows what sirocco does: it answers a question with the demo model that comes with the
// package and then serves it. `npm start -- <arguments>` is the sirocco command itself.
import { fileURLToPath } from "node:url";

const command = new URL("../dist/adapters/node/cli/main.js", import.meta.url);
if (process.argv.length <= 2) process.argv.push("demo");
// The command reads its arguments itself and must look like the file that was started.
process.argv[1] = fileURLToPath(command);
await import(command.href);
