// Tests in a real VS Code workbench, as a person would: node run.mjs [FILTER...]
//
//   NAMDRUNNER_TEST_BINARY   the server (default: target/debug/namdrunner)
//   NRT_SSH_PORT and the like  the test cluster (tests/cluster); its tests are left out without it
//
// Needs Debian's chromium, and dist/namdrunner.vsix. Screens go to target/screens/vscode. The last
// line is `N passed, N failed[, N skipped]`.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { browser, command, site, top, workbench } from "./bench.mjs";
import { asPerson } from "./person.mjs";
import { inside } from "./inside.mjs";
import { overSlurm } from "./slurm.mjs";
import { whenThingsGoWrong } from "./wrong.mjs";

const screens = join(top, "target/screens/vscode");
const filters = process.argv.slice(2);
if (filters.length === 0) rmSync(screens, { recursive: true, force: true });
mkdirSync(screens, { recursive: true });
const counts = { passed: 0, failed: 0, skipped: 0 };
// No test takes longer, whatever hangs.
const PATIENCE = 240_000;

/** A test; `needs` names a variable of the environment without which it is left out. */
async function test(name, needs, run) {
  if (filters.length > 0 && !filters.some((part) => name.includes(part))) return;
  if (needs && !process.env[needs]) {
    counts.skipped += 1;
    console.log(`skipped  ${name} (needs ${needs})`);
    return;
  }
  const began = Date.now();
  const shot = async (page, what) => {
    // Not while the command that was given last fades away. (Where it stays, it belongs to the picture.)
    await page.locator(".quick-input-widget").waitFor({ state: "hidden", timeout: 500 }).catch(() => undefined);
    await page.screenshot({ path: join(screens, `${what}.png`) });
  };
  let bench, timer;
  const start = async (toml, settings, { before, tests } = {}) => {
    const dir = site(toml);
    before?.(dir);
    bench = { ...(await workbench(dir, settings, tests)), dir };
    return bench;
  };
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`took longer than ${PATIENCE / 1000} s`)), PATIENCE);
    });
    await Promise.race([late, run(start, shot)]);
    counts.passed += 1;
    console.log(`ok       ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    counts.failed += 1;
    console.log(`FAILED   ${name}\n${error.stack}`);
    // With what the workbench has said meanwhile.
    if (bench) await command(bench.page, "Notifications: Show Notifications").catch(() => undefined);
    if (bench) await shot(bench.page, `failed-${name.replace(/\W+/g, "-")}`).catch(() => undefined);
  } finally {
    clearTimeout(timer);
    await bench?.end();
  }
}

for (const tests of [inside, asPerson, whenThingsGoWrong, overSlurm]) await tests(test);
await browser.close();
console.log(
  `${counts.passed} passed, ${counts.failed} failed${counts.skipped ? `, ${counts.skipped} skipped` : ""}`,
);
process.exit(counts.failed === 0 ? 0 : 1);
