// A person's ways through it, with this machine as the cluster.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";

import { arrives, call, command, lens, local, openFile, until } from "./bench.mjs";

/** What stands in the page of a job. */
const jobPage = (page) => page.frameLocator("iframe.webview").frameLocator("iframe#active-frame");
const queue = async (page) => {
  await page.locator(".activitybar a[aria-label='NAMD']").click();
  return (text) => page.locator(".pane-body .monaco-list-row", { hasText: text }).first();
};

export async function asPerson(test) {
  await test("from the lens to the end of the job, and its files", undefined, async (start, shot) => {
    const { page, dir } = await start(local);
    await openFile(page, "water.namd");
    await lens(page, "Create and submit (local)").waitFor();
    await shot(page, "lens");
    await lens(page, "Create and submit (local)").click();
    await lens(page, "RUNNING").waitFor();
    const row = await queue(page);
    await row("water").waitFor();
    await page.locator(".pane-body .monaco-list-row", { hasText: "%" }).first().waitFor();
    await shot(page, "running");
    await lens(page, "COMPLETED").waitFor();
    await page.locator(".notification-toast", { hasText: "COMPLETED" }).first().waitFor();
    await shot(page, "completed");
    await lens(page, "COMPLETED").click();
    const job = jobPage(page);
    await job.locator("h1", { hasText: "water" }).waitFor();
    await job.locator("td", { hasText: "RUNNING" }).first().waitFor();
    await job.locator("tr", { hasText: "water_equil.coor" }).first().waitFor();
    await command(page, "Notifications: Clear All Notifications");
    await shot(page, "page");
    await job.locator("tr", { hasText: "water_equil.coor" }).getByRole("button", { name: "Get" }).click();
    await arrives(dir, "water_equil.coor");
    await job.getByRole("button", { name: "Get results" }).click();
    await arrives(dir, "water_equil.vel");
    await job.getByRole("button", { name: "Open log" }).click();
    await page.locator(".tab[data-resource-name='namd.log']").waitFor();
    await page.locator(".view-lines", { hasText: "WallClock:" }).first().waitFor();
    await shot(page, "log");
  });

  await test("findings are marked, a job is cancelled, and a changed file compared", undefined, async (start, shot) => {
    const { page } = await start(local);
    await openFile(page, "lingers.namd");
    await lens(page, "Create and submit").click();
    await lens(page, "RUNNING").waitFor();
    await page.locator(".view-lines").first().click();
    await page.keyboard.press("Control+Home");
    await page.keyboard.type("structure nowhere.psf\n");
    await page.locator(".squiggly-error").first().waitFor();
    await lens(page, "Changed since").waitFor();
    await shot(page, "findings");
    await lens(page, "Changed since").click();
    await page.locator(".tab", { hasText: "what the job runs" }).waitFor();
    await page.locator(".diff-editor, .monaco-diff-editor").first().waitFor();
    await shot(page, "diff");
    await page.keyboard.press("Control+PageUp");
    await lens(page, "Cancel").click();
    await lens(page, "CANCELLED").waitFor();
  });

  await test("a job is made step by step, with another wall clock", undefined, async (start, shot) => {
    const { page, dir } = await start(local);
    await openFile(page, "water.namd");
    await lens(page, "Create and submit").waitFor();
    await command(page, "NAMD: Create Job");
    const choice = (text) => page.locator(".quick-input-list .monaco-list-row", { hasText: text }).first();
    await choice("Show the files and the script").waitFor();
    await choice("Show the files and the script").click();
    await page.locator(".tab[data-resource-name='preview of water.namd']").waitFor();
    await choice("Wall clock").waitFor();
    await shot(page, "form");
    await choice("Wall clock").click();
    const input = page.locator(".quick-input-widget input");
    await page.locator(".quick-input-title", { hasText: "Wall clock" }).waitFor();
    await input.fill("soon");
    await page.locator(".quick-input-message", { hasText: "A time as Slurm takes it" }).waitFor();
    await input.fill("1:30:00");
    await page.keyboard.press("Enter");
    await choice("1:30:00").waitFor();
    await choice("Create, submit later").click();
    await until("the job", () => call(dir, "listJobs", {}).jobs.length === 1);
    const [job] = call(dir, "listJobs", {}).jobs;
    assert.equal(job.resources.walltime, 5400);
    assert.equal(job.status, "CREATED");
  });

  await test("what a script starts, another window and a reload see too", undefined, async (start) => {
    const bench = await start(local);
    await openFile(bench.page, "water.namd");
    await lens(bench.page, "Create and submit").waitFor();
    call(bench.dir, "createJob", { configPath: join(bench.dir, "water/equil/lingers.namd"), name: "replicas", submit: true });
    await (await queue(bench.page))("replicas").waitFor();
    const second = await bench.another();
    await (await queue(second))("replicas").waitFor();
    await second.close();
    await bench.page.reload();
    await (await queue(bench.page))("replicas").waitFor();
    const { jobs } = call(bench.dir, "listJobs", {});
    call(bench.dir, "cancel", { jobId: jobs[0].jobId });
  });

  await test("2,000 jobs scroll and filter without a visible wait", undefined, async (start, shot) => {
    // One job made by the program, and copies of its row.
    const copies = (dir) => {
      const { job } = call(dir, "createJob", { configPath: join(dir, "water/equil/water.namd") });
      const db = new DatabaseSync(databaseOf(dir));
      // The program that made it may not have ended yet.
      db.exec("PRAGMA busy_timeout = 20000");
      const columns = db.prepare("SELECT name FROM pragma_table_info('jobs')").all().map(({ name }) => name);
      const id = (name) => `substr(${name}, 1, length(${name}) - 4) || printf('%04d', n)`;
      const copied = (column) =>
        column === "job_id" ? id("job_id")
        : column === "job_name" ? "'replica ' || n"
        : column === "document" ? `replace(replace(document, job_id, ${id("job_id")}), '"name":"water"', '"name":"replica ' || n || '"')`
        : column;
      db.exec(`WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 1999)
        INSERT INTO jobs (${columns.join(", ")}) SELECT ${columns.map(copied).join(", ")} FROM jobs, counter WHERE job_id = '${job.jobId}'`);
      db.close();
    };
    const { page } = await start(local, {}, { before: copies });
    const row = await queue(page);
    const timed = async (what, limit, run) => {
      const began = Date.now();
      await run();
      const took = Date.now() - began;
      console.log(`         ${what}: ${took} ms`);
      assert.ok(took < limit, `${what} took ${took} ms`);
    };
    // The server starts here, too.
    await timed("2,000 jobs are listed", 30_000, () => row(/CREATED\s*2000/).waitFor());
    await row("replica").waitFor();
    await row("replica").click({ button: "right" });
    await page.keyboard.press("Escape");
    await timed("the end of the list", 3000, async () => {
      await page.keyboard.press("End");
      await row(/replica 1(?!\d)/).waitFor();
    });
    await shot(page, "many");
    await command(page, "NAMD: Filter Jobs");
    await page.locator(".quick-input-title", { hasText: "Show only jobs" }).waitFor();
    await page.locator(".quick-input-widget input").fill("replica 1234");
    await timed("the filter", 3000, async () => {
      await page.keyboard.press("Enter");
      await row("replica 1234").waitFor();
      await until("one row", async () => (await page.locator(".pane-body .monaco-list-row", { hasText: "replica" }).count()) === 1, 3000);
    });
  });

  for (const theme of ["Default Light Modern", "Default Dark Modern", "Default High Contrast"]) {
    await test(`why a job failed, in ${theme}`, undefined, async (start, shot) => {
      const { page } = await start(local, { "workbench.colorTheme": theme });
      await openFile(page, "conflict.namd");
      await lens(page, "Create and submit").click();
      await lens(page, "FAILED").waitFor();
      // Under the setting that is named, and nowhere else.
      await page.locator(".squiggly-error").first().waitFor();
      assert.equal(await page.locator(".squiggly-error").count(), 1);
      await lens(page, "FAILED").click();
      const job = jobPage(page);
      await job.locator(".state", { hasText: "FAILED" }).waitFor();
      await job.locator(".diagnosis", { hasText: "pairlistDist must be >= cutoff" }).first().waitFor();
      await (await queue(page))("conflict").waitFor();
      await command(page, "Notifications: Clear All Notifications");
      await shot(page, `page-${theme.replace(/\W+/g, "-").toLowerCase()}`);
      await page.keyboard.press("Control+PageUp");
    });
  }
}

/** The store of a site. */
function databaseOf(dir) {
  return join(dir, "home/data/jobs.sqlite3");
}
