import { expect, test } from "vitest";
import { parseSize } from "../../../adapters/node/size.ts";

test.for([
  ["1024", 1024],
  ["512M", 512 * 2 ** 20],
  ["4g", 4 * 2 ** 30],
  ["1.5 GiB", 1.5 * 2 ** 30],
  ["16KB", 16_384],
  ["2T", 2 * 2 ** 40],
] as const)("%s is %i bytes", ([text, bytes]) => {
  expect(parseSize(text)).toBe(bytes);
});

test.for(["", "0", "-1G", "M", "1X", "1e9", "Infinity", "9999999999T", "1,5G"])(
  "%j is no size",
  (text) => {
    expect(parseSize(text)).toBeUndefined();
  },
);
