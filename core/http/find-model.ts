import { RuntimeError } from "../errors.ts";

/** What requests can name. */
interface Named {
  readonly id: string;
  readonly aliases?: readonly string[];
}

/** The model with this id or alias. Throws `MODEL_NOT_FOUND`, naming those that there are. */
export function findModel<M extends Named>(models: readonly M[], name: string): M {
  const found =
    models.find(({ id }) => id === name) ??
    models.find(({ aliases }) => aliases?.includes(name) === true);
  if (found !== undefined) return found;
  const known = models.map(({ id }) => `'${id}'`).join(", ");
  throw new RuntimeError(
    "MODEL_NOT_FOUND",
    `Cannot find the model '${name.slice(0, 100)}': ${known === "" ? "none is served" : `served are ${known}`}`,
    { param: "model" },
  );
}
