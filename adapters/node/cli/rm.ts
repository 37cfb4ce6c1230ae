import { Command } from "commander";
import { RuntimeError } from "../../../core/errors.ts";
import { storePlace } from "../store/place.ts";
import { UsageError } from "./options.ts";
import { formatBytes, printable, printLine } from "./terminal.ts";

/** `sirocco rm`: remove models of the store. */
export function rmCommand(): Command {
  return new Command("rm")
    .description("remove models of the store, and the files that no other model has")
    .argument("[names...]", "models as sirocco list names them")
    .option("--unused", "remove files that no model has, as attempts leave them")
    .action(run);
}

async function run(names: readonly string[], flags: { readonly unused?: true }): Promise<void> {
  if (names.length === 0 && flags.unused !== true) {
    throw new UsageError("give the name of a model, or --unused");
  }
  // Other commands do without the validator.
  const [{ removeUnused }, { findManifest, listManifests, removeManifest }] = await Promise.all([
    import("../store/blob.ts"),
    import("../store/manifest.ts"),
  ]);
  const place = storePlace();
  for (const name of names) {
    const manifest = findManifest(await listManifests(place), name);
    if (manifest === undefined) {
      throw new RuntimeError("MODEL_NOT_FOUND", `Cannot remove ${name}: the store has none`);
    }
    await removeManifest(place, manifest.name);
    const freed = await removeUnused(
      place,
      manifest.files.map(({ sha256 }) => sha256),
    );
    await printLine(printable(`removed ${manifest.name}, ${formatBytes(freed)} freed`));
  }
  if (flags.unused === true) {
    await printLine(`${formatBytes(await removeUnused(place))} freed`);
  }
}
