import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { KEYWORDS } from "../../../core/grammar/json-schema/keywords.ts";

test("the published table has every keyword that is enforced, and no other", () => {
  const document = readFileSync(
    new URL("../../../docs/structured-output.md", import.meta.url),
    "utf8",
  );
  const table = /<!-- keywords:.*-->\n\n([^]*?)\n\n<!-- \/keywords -->/.exec(document)?.[1] ?? "";
  const rows = table
    .split("\n")
    .slice(2)
    .map((row) => row.split("|").map((cell) => cell.trim()));
  const found = rows.map(([, keyword, limits]) => [keyword?.replaceAll("`", ""), limits]);
  expect(Object.fromEntries(found)).toEqual(KEYWORDS);
});
