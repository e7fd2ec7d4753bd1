// The same over a real sshd against a real Slurm.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { arrives, call, ending, lens, openFile, slurm, top } from "./bench.mjs";

const ASKING = join(top, "editors/asking-sshd.sh");

/** An sshd that asks for a password and a code; gives its port. It ends with its input, and so with us. */
function askingSshd(dir) {
  mkdirSync(join(dir, "sshd"));
  const sshd = spawn(ASKING, [join(dir, "sshd")], { stdio: ["pipe", "pipe", "inherit"] });
  const end = () => sshd.stdin.end();
  ending.add(end);
  return new Promise((resolve, reject) => {
    sshd.stdout.once("data", (data) => resolve({ port: Number(data), end }));
    sshd.once("exit", () => reject(new Error("the sshd that asks did not start")));
  });
}

export async function overSlurm(test) {
  await test("PENDING, RUNNING and COMPLETED on Slurm over ssh, and the log", "NRT_SSH_PORT", async (start, shot) => {
    const { page, dir } = await start(slurm);
    await openFile(page, "water.namd");
    await lens(page, "Create and submit (test)").click();
    for (const status of ["PENDING", "RUNNING", "COMPLETED"]) await lens(page, status).waitFor();
    await page.locator(".activitybar a[aria-label='NAMD']").click();
    await shot(page, "slurm-completed");
    await lens(page, "COMPLETED").click();
    const job = page.frameLocator("iframe.webview").frameLocator("iframe#active-frame");
    await job.getByRole("button", { name: "Open log" }).click();
    await page.locator(".view-lines", { hasText: "WallClock:" }).first().waitFor();
    await page.keyboard.press("Control+PageUp");
    await job.getByRole("button", { name: "Get results" }).click();
    await arrives(dir, "water_equil.vel");
  });

  await test("an array opens to its members", "NRT_SSH_PORT", async (start, shot) => {
    const { page, dir } = await start(slurm);
    await openFile(page, "water.namd");
    await lens(page, "Create and submit").waitFor();
    const { job } = call(dir, "createJob", { configPath: join(dir, "water/equil/lingers.namd"), name: "replicas", array: "0-3", submit: true });
    await page.locator(".activitybar a[aria-label='NAMD']").click();
    const row = (text) => page.locator(".pane-body .monaco-list-row", { hasText: text }).first();
    await row("4 running").waitFor();
    await row("replicas").click();
    await page.locator(".tab", { hasText: "replicas" }).waitFor();
    await row("replicas").locator(".monaco-tl-twistie").click();
    for (const id of [0, 3]) await row(`member ${id}`).waitFor();
    await shot(page, "array");
    call(dir, "cancel", { jobId: job.jobId });
    await row("CANCELLED").waitFor();
  });

  await test("a login asks for a password and a code, and the job goes to Slurm", "NRT_SSH_PORT", async (start, shot) => {
    let sshd;
    const toml = (dir) => {
      const { port, known } = sshd;
      return slurm(dir)
        .replace(/^port = .*$/m, `port = ${port}`)
        .replace(/^identity_files = .*$/m, 'ssh_config = "none"')
        .replace(/^known_hosts = .*$/m, `known_hosts = ["${known}"]`);
    };
    const dir = spawnSync("mktemp", ["-d"], { encoding: "utf8" }).stdout.trim();
    sshd = { ...(await askingSshd(dir)), known: join(dir, "known_hosts") };
    const { page } = await start(toml);
    await openFile(page, "water.namd");
    await lens(page, "Create and submit (test)").click();
    await page.locator(".monaco-dialog-box", { hasText: "is not known yet" }).waitFor();
    await page.locator(".monaco-dialog-box", { hasText: "SHA256:" }).waitFor();
    await shot(page, "host-key");
    await page.locator(".monaco-dialog-box .monaco-button", { hasText: "It is the right key: connect" }).click();
    const input = page.locator(".quick-input-widget input");
    await page.locator(".quick-input-widget", { hasText: "Password" }).waitFor();
    if ((await input.getAttribute("type")) !== "password") throw new Error("the password can be read");
    await input.fill("planted-Sesam-4711");
    await shot(page, "password");
    await page.keyboard.press("Enter");
    await page.locator(".quick-input-widget", { hasText: "Verification code" }).waitFor();
    await input.fill(spawnSync(ASKING, ["code"], { encoding: "utf8" }).stdout.trim());
    await page.keyboard.press("Enter");
    for (const status of ["RUNNING", "COMPLETED"]) await lens(page, status).waitFor();
    await shot(page, "logged-in");
    sshd.end();
  });
}
