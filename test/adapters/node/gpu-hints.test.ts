import { expect, test } from "vitest";
import { withoutGpu } from "../../../adapters/node/gpu-hints.ts";

function linux(nodes: readonly string[]) {
  return {
    platform: "linux",
    list: (folder: string) =>
      nodes.flatMap((node) =>
        node.startsWith(`${folder}/`) ? [node.slice(folder.length + 1)] : [],
      ),
    exists: (path: string) => nodes.includes(path),
  };
}

test.for([
  ["a card with a driver", "/dev/dri/renderD128"],
  ["NVIDIA's own driver", "/dev/nvidiactl"],
  ["Windows' card in WSL 2", "/dev/dxg"],
  ["a phone", "/dev/kgsl-3d0"],
])("%s is worth a look", ([, node]) => {
  expect(withoutGpu(linux([node!, "/dev/null"]))).toBeUndefined();
});

test("without a device there is no GPU to look for", () => {
  expect(withoutGpu(linux(["/dev/null"]))).toMatchObject({ reason: "no_gpu" });
});

test("a screen that cannot compute is no GPU", () => {
  expect(withoutGpu(linux(["/dev/dri/card0"]))).toMatchObject({ reason: "no_gpu" });
});

test.for(["darwin", "win32"])("on %s there always is something", (platform) => {
  expect(withoutGpu({ ...linux([]), platform })).toBeUndefined();
});
