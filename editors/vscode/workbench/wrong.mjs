// What a person sees when things go wrong.
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { crash, lens, local, openFile, unreachable } from "./bench.mjs";

const toast = (page, text) => page.locator(".notification-toast", { hasText: text }).first();

/** A server of another version: it answers `initialize` with protocol 2 and nothing else. */
const OLD = `#!${process.execPath}
let held = Buffer.alloc(0);
const answer = (id, result) => {
  const body = JSON.stringify({ jsonrpc: "2.0", id, result });
  process.stdout.write("Content-Length: " + Buffer.byteLength(body) + "\\r\\n\\r\\n" + body);
};
process.stdin.on("data", (chunk) => {
  held = Buffer.concat([held, chunk]);
  for (;;) {
    const end = held.indexOf("\\r\\n\\r\\n");
    const length = end < 0 ? NaN : Number(/Content-Length: (\\d+)/.exec(held.toString("utf8", 0, end))[1]);
    if (!(held.length >= end + 4 + length)) return;
    const message = JSON.parse(held.toString("utf8", end + 4, end + 4 + length));
    held = held.subarray(end + 4 + length);
    if (message.method === "initialize") {
      answer(message.id, { capabilities: {}, serverInfo: { name: "namdrunner", version: "9.0.0" }, namdrunner: { protocol: 2 } });
    } else if (message.method === "exit") process.exit(0);
    else if (message.id !== undefined) answer(message.id, null);
  }
});
`;

export async function whenThingsGoWrong(test) {
  await test("a missing server is told with what to do", undefined, async (start, shot) => {
    const { page } = await start(local, { "namdrunner.server.path": "/no/such/namdrunner" });
    await openFile(page, "water.namd");
    await toast(page, "was not found at /no/such/namdrunner").waitFor();
    await toast(page, "cargo install").waitFor();
    await shot(page, "missing");
  });

  await test("a server of another protocol is refused", undefined, async (start) => {
    const settings = {};
    const before = (dir) => {
      const file = join(dir, "old-server");
      writeFileSync(file, OLD);
      chmodSync(file, 0o755);
      settings["namdrunner.server.path"] = file;
    };
    const { page } = await start(local, settings, { before });
    await openFile(page, "water.namd");
    await toast(page, "speaks protocol 2 of NAMDRunner (namdrunner 9.0.0)").waitFor();
  });

  await test("a cluster that does not answer is said, and its jobs are kept", undefined, async (start, shot) => {
    const { page } = await start(unreachable);
    await openFile(page, "water.namd");
    await lens(page, "Create and submit (far)").click();
    await toast(page, "far").waitFor();
    await page.locator(".activitybar a[aria-label='NAMD']").click();
    await page.locator(".pane-body .monaco-list-row", { hasText: "does not answer" }).first().waitFor();
    await shot(page, "unreachable");
  });

  await test("the server is killed, comes back, and knows its jobs", undefined, async (start, shot) => {
    const { page, dir } = await start(local);
    await openFile(page, "water.namd");
    await lens(page, "Create and submit").click();
    await lens(page, "RUNNING").waitFor();
    assert.ok(crash(dir) > 0);
    await lens(page, "COMPLETED").waitFor();
    await shot(page, "recovered");
  });
}
