import { Command } from "commander";
import { storePlace } from "../store/place.ts";
import { formatBytes, note, printable, printJson, printLine, table } from "./terminal.ts";

/** `sirocco list`: the models of the store. */
export function listCommand(): Command {
  return new Command("list")
    .alias("ls")
    .description("list the models of the store")
    .option("--json", "print a JSON array")
    .action(run);
}

async function run(flags: { readonly json?: true }): Promise<void> {
  // Other commands do without the validator.
  const { listManifests } = await import("../store/manifest.ts");
  const place = storePlace();
  const manifests = await listManifests(place);
  if (flags.json === true) return printJson(manifests);
  if (manifests.length === 0) {
    note(`sirocco: ${place.root} has no models yet: sirocco pull brings one`);
    return;
  }
  const rows = manifests.map(({ name, files, quant, license, pulled }) => [
    name,
    quant,
    formatBytes(files.reduce((sum, { size }) => sum + size, 0)),
    license ?? "-",
    pulled.slice(0, 10),
  ]);
  await printLine(
    printable(table([["name", "quantisation", "size", "license", "pulled"], ...rows], [2])),
  );
}
