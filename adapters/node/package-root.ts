import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * The folder of the package, with a final slash. The same code runs from the sources and from `dist/`,
 * which lie at different depths; the nearest package.json above is the same for both.
 */
const PACKAGE_ROOT: URL = findRoot();

/** A file of the package, e.g. `examples/demo-model/README.md`. */
export function packageFile(path: string): URL {
  return new URL(path, PACKAGE_ROOT);
}

/** The version in package.json. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(packageFile("package.json"), "utf8"));
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) {
    return String(manifest.version);
  }
  throw new Error(`Cannot read the version: ${packageFile("package.json").href} has none`);
}

/** Path of the model that comes with the package. */
export function demoModelPath(): string {
  return fileURLToPath(packageFile("examples/demo-model/sirocco-demo.q8_0.gguf"));
}

function findRoot(): URL {
  let folder = new URL(".", import.meta.url);
  while (!existsSync(new URL("package.json", folder))) {
    const parent = new URL("..", folder);
    if (parent.href === folder.href) {
      throw new Error(`Cannot find package.json above ${import.meta.url}: reinstall the package`);
    }
    folder = parent;
  }
  return folder;
}
