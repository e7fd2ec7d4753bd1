// Tests inside the real extension host, with the real API: src/test/host.
import { join } from "node:path";

import { extension, local } from "./bench.mjs";

export async function inside(test) {
  await test("in the extension host", undefined, async (start) => {
    const bench = await start(local, {}, { tests: join(extension, "dist/host/index.js") });
    const { code, said } = await bench.finished;
    if (code !== 0) throw new Error(`it ended with ${code}: ${said.filter((line) => line.startsWith("FAILED ")).length} of them failed`);
  });
}
