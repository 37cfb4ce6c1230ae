// Makes the component of the kernels and its ES module, for kernels-simd/build.ts.
import { componentEmbed, componentNew, transpile, types } from "@bytecodealliance/jco";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What the files and the world of `wit/kernels.wit` are called. */
const NAME = "kernels";
const WORLD = "simd";

const wit: string = join(fileURLToPath(new URL(".", import.meta.url)), "wit", "kernels.wit");

/** A core module as a component: with its interface, checked against the module's exports. */
export async function toComponent(core: Uint8Array): Promise<Uint8Array> {
  const witSource = readFileSync(wit, "utf8");
  const embedded = (await componentEmbed({
    binary: core,
    witSource,
    worldName: WORLD,
  })) as Uint8Array;
  return (await componentNew(embedded, [])) as Uint8Array;
}

/**
 * The ES module of a component, by file name: glue that is handed the compiled core module (so that it
 * runs where compiling bytes is forbidden) and uses no runtime's API, the core module, and types with the
 * interface's documentation, which only the interface's source still has.
 */
export async function toModule(component: Uint8Array): Promise<ReadonlyMap<string, Uint8Array>> {
  const code = await transpile(component, {
    name: NAME,
    instantiation: "async",
    nodejsCompat: false,
  });
  const documented = await types(wit, {
    name: NAME,
    worldName: WORLD,
    instantiation: "async",
  });
  const encoder = new TextEncoder();
  const files = new Map<string, Uint8Array>();
  for (const [name, content] of Object.entries({ ...code.files, ...documented })) {
    files.set(name, typeof content === "string" ? encoder.encode(content) : content);
  }
  return files;
}
