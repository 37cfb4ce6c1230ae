// Serves the demo model as the runtime that runs this does, from what was built; prints the address.
// Arguments: the adapter, node, bun or deno.
const { demoModel, serve } = await import(`../../dist/adapters/${process.argv[2]}/mod.js`);
const server = await serve({ load: { model: demoModel }, port: 0 });
await server.ready;
console.log(server.url);
