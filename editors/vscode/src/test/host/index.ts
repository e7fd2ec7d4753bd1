/** Tests inside the real extension host. Says `ok NAME` or `FAILED NAME` for each; fails if one did. */

import assert from "node:assert/strict";
import { join } from "node:path";
import * as vscode from "vscode";

import type { Api } from "../../extension";

const tests: [name: string, run: () => Promise<void>][] = [];
const test = (name: string, run: () => Promise<void>) => tests.push([name, run]);

async function until<T>(what: string, look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + 45_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const root = () => vscode.workspace.workspaceFolders![0]!.uri;
const file = (name: string) => vscode.Uri.file(join(root().fsPath, "equil", name));
const extension = () => vscode.extensions.getExtension<Api>("namdrunner.namdrunner")!;

async function write(name: string, text: string): Promise<vscode.TextDocument> {
  await vscode.workspace.fs.writeFile(file(name), Buffer.from(text));
  const document = await vscode.workspace.openTextDocument(file(name));
  await vscode.window.showTextDocument(document);
  return document;
}

const codes = (uri: vscode.Uri) => vscode.languages.getDiagnostics(uri).map(({ code }) => code);
const places = (found: vscode.Range) => [found.start.line, found.start.character, found.end.line, found.end.character];

test("nothing is done until a NAMD file is there, and then it takes a moment", async () => {
  assert.equal(extension().isActive, false);
  // The processor's time: what else a machine that tests does at the moment is no matter here.
  const [began, before] = [performance.now(), process.cpuUsage()];
  const api = await extension().activate();
  const { user, system } = process.cpuUsage(before);
  const took = (user + system) / 1000;
  console.log(`ok (activation took ${took.toFixed(0)} ms of the processor, ${(performance.now() - began).toFixed(0)} ms by the clock)`);
  // (It is meant to be under 100, and is; how much a machine under load adds varies.)
  assert.ok(took < 200, `activation took ${took} ms`);
  assert.equal(api.server.client, undefined, "no server runs before it is needed");
});

test("NAMD files are known by their ending and by their content", async () => {
  const inp = await write("step4_equilibration.inp", "structure a.psf\ncoordinates b.pdb\noutputName o\nrun 10\n");
  await until("the language", () => inp.languageId === "namd" || vscode.window.activeTextEditor?.document.languageId === "namd");
  const conf = await write("nginx.conf", "server {\n  listen 80;\n}\n");
  assert.notEqual(conf.languageId, "namd");
  const namd = await vscode.workspace.openTextDocument(file("water.namd"));
  assert.equal(namd.languageId, "namd");
});

test("a missing input is marked at its exact place, and existing ones are links", async () => {
  const document = await write("broken.namd", "source      short.tcl\nparameters  $common/nowhere.prm\noutputName  o\nrun         20\n");
  const mark = await until("the finding", () =>
    vscode.languages.getDiagnostics(document.uri).find(({ code }) => code === "inputMissing"),
  );
  assert.equal(document.getText(mark.range), "$common/nowhere.prm");
  const links = await until("the links", async () => {
    const found = await vscode.commands.executeCommand<vscode.DocumentLink[]>("vscode.executeLinkProvider", document.uri);
    return found.length > 0 && found;
  });
  assert.deepEqual(links.map(({ range }) => document.getText(range)), ["short.tcl"]);
});

test("a mistake with one right answer has a quick fix", async () => {
  const document = await write("typo.namd", "source      short.tcl\nsource      cell.tcl\nparameters  $common/tip3p.prm\noutputNam   o\nrun         20\n");
  const mark = await until("the finding", () =>
    vscode.languages.getDiagnostics(document.uri).find(({ range }) => range.start.line === 3),
  );
  assert.equal(document.getText(mark.range), "outputNam");
  const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>("vscode.executeCodeActionProvider", document.uri, mark.range);
  const fix = actions.find(({ edit }) => edit?.has(document.uri));
  assert.ok(fix, JSON.stringify(actions.map(({ title }) => title)));
  await vscode.workspace.applyEdit(fix.edit!);
  assert.match(document.lineAt(3).text, /^outputname   o$/i);
  await vscode.commands.executeCommand("workbench.action.revertAndCloseActiveEditor");
});

test("lens, hint, tree and status follow a job, and its failure stands at the right line", async () => {
  const api = extension().exports;
  const uri = file("lingers.namd");
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri));
  const titles = async (of: vscode.Uri) =>
    (await vscode.commands.executeCommand<vscode.CodeLens[]>("vscode.executeCodeLensProvider", of, 10)).map((lens) => lens.command?.title ?? "");
  await until("the lens", async () => (await titles(uri)).includes("▶ Create and submit (local)"));
  await vscode.commands.executeCommand("namdrunner.createAndSubmit", uri.toString());
  const job = await until("RUNNING", () => {
    const now = api.jobs.ofConfig(uri.fsPath);
    return now?.status === "RUNNING" && now;
  });
  assert.ok((await titles(uri))[0]?.startsWith("● RUNNING"), (await titles(uri)).join());
  const document = await vscode.workspace.openTextDocument(uri);
  const all = new vscode.Range(0, 0, document.lineCount, 0);
  const [hint] = await vscode.commands.executeCommand<vscode.InlayHint[]>("vscode.executeInlayHintProvider", uri, all);
  assert.ok(document.lineAt(hint!.position.line).text.startsWith("run"), JSON.stringify(hint));
  const row = await until("the job in the tree", async () => {
    const [cluster] = await api.queue.getChildren();
    const [group] = await api.queue.getChildren(cluster);
    const [found] = group?.kind === "group" && group.status === "RUNNING" ? await api.queue.getChildren(group) : [];
    return found?.kind === "job" && found.job.jobId === job.jobId && found;
  });
  const item = api.queue.getTreeItem(row);
  assert.equal(item.contextValue, "job.live");
  await api.server.request("cancel", { jobId: job.jobId });
  await until("CANCELLED", () => api.jobs.get(job.jobId)?.status === "CANCELLED");

  const dies = file("conflict.namd");
  const conflict = await vscode.workspace.openTextDocument(dies);
  await vscode.window.showTextDocument(conflict);
  await vscode.commands.executeCommand("namdrunner.createAndSubmit", dies.toString());
  const why = await until("the diagnosis", () =>
    vscode.languages.getDiagnostics(dies).find(({ code }) => code === "settingsConflict"),
  );
  assert.ok(conflict.lineAt(why.range.start.line).text.startsWith("pairlistDist"), String(places(why.range)));
  // What is saved is another text than the one that failed.
  const edit = new vscode.WorkspaceEdit();
  edit.insert(dies, new vscode.Position(0, 0), "# mended\n");
  await vscode.workspace.applyEdit(edit);
  await conflict.save();
  await until("its end", () => !codes(dies).includes("settingsConflict"));
});

export async function run(): Promise<void> {
  let failed = 0;
  for (const [name, go] of tests) {
    try {
      await go();
      console.log(`ok ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}: ${(error as Error).stack}`);
    }
  }
  if (failed > 0) throw new Error(`${failed} failed`);
}
