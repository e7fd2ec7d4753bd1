/** The extension: what is contributed, wired to the server. */

import * as vscode from "vscode";

import type { DoctorResult, DownloadResult, JobResult, SyncAllResult } from "../../../protocol/namdrunner";
import { Creation } from "./create";
import { Diagnoses } from "./diagnoses";
import { Documents, SCHEME } from "./documents";
import { showPage } from "./page";
import { isConfig, maybeConfig } from "./pure/detect";
import { Ends, Jobs } from "./pure/jobs";
import { headline, type ShownJob } from "./pure/words";
import { Server } from "./server";
import { Queue, type Node } from "./tree";

/** What tests look at. */
export interface Api {
  jobs: Jobs;
  server: Server;
  queue: Queue;
}

export function activate(context: vscode.ExtensionContext): Api {
  const jobs = new Jobs();
  const documents = new Documents();
  const server = new Server(context, jobs, {
    // The server carries its commands out by itself; here those that can be shown better are.
    executeCommand: async (command, args, next) => {
      const [first] = args as [string | undefined];
      switch (command) {
        case "namdrunner.status":
          return first && open(first);
        case "namdrunner.preview":
          return first && creation.preview(vscode.Uri.parse(first));
        case "namdrunner.diff":
          return first && diff(first);
        case "namdrunner.create":
        case "namdrunner.createAndSubmit":
          return first && creation.create(vscode.Uri.parse(first), command === "namdrunner.createAndSubmit");
        default:
          return next(command, args);
      }
    },
  });
  const creation = new Creation(server, documents);
  const queue = new Queue(jobs, async (jobId) => {
    const status = await server.ask<JobResult>("jobStatus", { jobId });
    return status?.job.members ?? [];
  });
  const view = vscode.window.createTreeView("namdrunner.queue", { treeDataProvider: queue, showCollapseAll: true });
  const bar = vscode.window.createStatusBarItem("namdrunner", vscode.StatusBarAlignment.Left, 0);
  bar.name = "NAMD jobs";
  bar.command = "namdrunner.queue.focus";

  async function open(jobId: string): Promise<void> {
    await showPage(server, jobs, jobId, (action, job) => void act(action, job));
  }

  async function act(action: string, job: ShownJob): Promise<void> {
    const jobId = job.jobId;
    const advised = /^advice:(\d+)$/.exec(action);
    if (advised) return follow(job, Number(advised[1]));
    // (A path is a pattern here.)
    if (action.startsWith("get:")) return download(job, [action.slice(4).replace(/[*?[\]]/g, "[$&]")]);
    switch (action) {
      case "submit":
        await server.ask("submit", { jobId });
        return;
      case "cancel": {
        const yes = "Cancel the job";
        const chosen = await vscode.window.showWarningMessage(`Cancel ${job.jobName} (${job.status})?`, { modal: true }, yes);
        if (chosen === yes) await server.ask("cancel", { jobId });
        return;
      }
      case "config":
        await vscode.window.showTextDocument(vscode.Uri.file(job.configPath)).then(undefined, (error: Error) =>
          vscode.window.showErrorMessage(`${job.configPath} cannot be opened: ${error.message}`),
        );
        return;
      case "diff":
        return diff(jobId);
      case "log":
        return log(job);
      case "download":
        return download(job);
      case "delete": {
        const only = "Delete from the list";
        const all = "Delete with its files on the cluster";
        const chosen = await vscode.window.showWarningMessage(`Delete ${job.jobName}?`, { modal: true }, only, all);
        if (chosen) await server.ask("deleteJob", { jobId, remoteFiles: chosen === all });
        return;
      }
    }
  }

  /** Gets files of a job by patterns; without any all it wrote but for trajectories. */
  async function download(job: ShownJob, patterns?: string[]): Promise<void> {
    const got = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: `Getting the results of ${job.jobName}`, cancellable: true },
      (_, token) => {
        const workDoneToken = `download-${Date.now()}-${Math.random()}`;
        return server.ask<DownloadResult>("download", { jobId: job.jobId, patterns, workDoneToken }, token);
      },
    );
    const [first] = got?.files ?? [];
    if (!got) return;
    if (!first) return void vscode.window.showInformationMessage(`${job.jobName} has no results yet.`);
    const show = "Show";
    const text = `${got.files.length} ${got.files.length === 1 ? "file" : "files"} of ${job.jobName} in ${got.to}`;
    if ((await vscode.window.showInformationMessage(text, show)) === show) {
      await vscode.commands.executeCommand("revealInExplorer", vscode.Uri.file(first.local));
    }
  }

  /** Carries out an advice of the diagnosis: changes what the job asks for, and submits it again. */
  async function follow(job: ShownJob, index: number): Promise<void> {
    const status = await server.ask<JobResult>("jobStatus", { jobId: job.jobId });
    const advice = status?.job.diagnosis?.advice[index];
    if (!advice) return;
    const yes = "Submit again";
    const chosen = await vscode.window.showWarningMessage(`Submit ${job.jobName} again?`, { modal: true, detail: advice.text }, yes);
    if (chosen !== yes) return;
    // What is given replaces all that was asked for.
    const resources = { ...status.job.resources, ...advice.edit };
    if (advice.edit && !(await server.ask("updateJob", { jobId: job.jobId, resources }))) return;
    await server.ask("submit", { jobId: job.jobId });
  }

  async function diff(jobId: string): Promise<void> {
    const ran = await server.ask<{ configPath: string; text: string }>("workspace/executeCommand", {
      command: "namdrunner.diff",
      arguments: [jobId],
    });
    if (!ran) return;
    const name = ran.configPath.split("/").pop() ?? "config";
    const left = documents.set(`${jobId}/${name}`, ran.text);
    const title = `${name}: what the job runs ↔ what is here`;
    await vscode.commands.executeCommand("vscode.diff", left, vscode.Uri.file(ran.configPath), title);
  }

  async function log(job: ShownJob): Promise<void> {
    const page = await server.ask<{ text: string }>("jobLog", { jobId: job.jobId, which: "namd", tail: 262144 });
    if (!page) return;
    const path = `${job.jobId}/namd.log`;
    const editor = await documents.show(path, page.text, "log");
    const last = editor.document.lineAt(editor.document.lineCount - 1).range.end;
    editor.selection = new vscode.Selection(last, last);
    editor.revealRange(new vscode.Range(last, last));
    const timer = setInterval(() => {
      if (editor.document.isClosed) return clearInterval(timer);
      void server
        .request<{ text: string }>("jobLog", { jobId: job.jobId, which: "namd", tail: 262144 })
        .then((more) => documents.set(path, more.text), () => undefined);
    }, 3000);
  }

  async function doctor(): Promise<void> {
    const found = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: "Checking the clusters" },
      () => server.ask<DoctorResult>("doctor", {}),
    );
    if (!found) return;
    const lines = found.checks.flatMap((check) => [
      `${check.ok ? "✓" : "✗"} ${check.name}: ${check.detail}`,
      ...(check.hint ? [`    ${check.hint}`] : []),
    ]);
    await documents.show("doctor", `${lines.join("\n")}\n`, "plaintext");
  }

  async function detect(document: vscode.TextDocument): Promise<void> {
    const plain = ["plaintext", "properties", "ini", "tcl", "inp"].includes(document.languageId);
    if (document.uri.scheme === "file" && plain && maybeConfig(document.uri.path) && isConfig(document.getText())) {
      await vscode.languages.setTextDocumentLanguage(document, "namd");
    }
  }

  const ends = new Ends(
    () => vscode.workspace.getConfiguration("namdrunner").get("notifications", "all"),
    (run) => setTimeout(run, 500),
    (told) => void tellEnds(told),
  );

  async function tellEnds(told: ShownJob[]): Promise<void> {
    const bad = told.filter(({ status }) => status !== "COMPLETED");
    const [first] = told;
    if (!first) return;
    const text =
      told.length > 1
        ? `${told.length} NAMD jobs ended, ${bad.length} of them not as they should.`
        : `${first.jobName}: ${headline(first, Date.now())}`;
    const show = bad.length > 0 ? vscode.window.showWarningMessage : vscode.window.showInformationMessage;
    const chosen = await show(text, "Show");
    if (chosen) await (told.length > 1 ? vscode.commands.executeCommand("namdrunner.queue.focus") : open(first.jobId));
  }

  function draw(): void {
    const { running, pending } = jobs.counts();
    const ailing = jobs.clusters().filter(({ health }) => health === "authRequired" || health === "unavailable");
    bar.text = `$(${ailing.length > 0 ? "warning" : "beaker"}) ${running} R · ${pending} P`;
    bar.tooltip = ailing.length > 0 ? ailing.map((one) => `${one.name}: ${one.reason ?? one.health}`).join("\n") : "NAMD jobs";
    bar.backgroundColor = ailing.length > 0 ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    bar.accessibilityInformation = { label: `NAMD: ${running} jobs running, ${pending} pending` };
    if (server.client) bar.show();
  }

  const onJob = (action: string) => (node?: Node) => {
    if (node?.kind === "job") return act(action, jobs.get(node.job.jobId) ?? node.job);
    return undefined;
  };
  const command = vscode.commands.registerCommand;
  context.subscriptions.push(
    server,
    documents,
    new Diagnoses(server, jobs),
    queue,
    view,
    bar,
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, documents),
    vscode.workspace.onDidCloseTextDocument((document) => {
      if (document.uri.scheme === SCHEME) documents.forget(document.uri);
    }),
    vscode.workspace.onDidOpenTextDocument((document) => {
      void detect(document);
      if (document.languageId === "namd" && !server.client && !server.refused) void server.get().then(draw);
    }),
    jobs.listen((news) => {
      draw();
      if (news.kind === "job") ends.take(news.job, news.from);
    }),
    vscode.workspace.onDidChangeConfiguration((change) => {
      // Also where settings come later than the first config.
      if (change.affectsConfiguration("namdrunner.server.path") && (server.client || server.refused)) void server.restart().then(draw);
    }),
    view.onDidChangeVisibility(({ visible }) => visible && void server.get()),
    command("namdrunner.createJob", () => creation.ask()),
    command("namdrunner.previewConfig", () => {
      const document = vscode.window.activeTextEditor?.document;
      return document?.languageId === "namd" ? creation.preview(document.uri) : undefined;
    }),
    command("namdrunner.syncNow", () => server.ask<SyncAllResult>("syncAll", {})),
    command("namdrunner.filter", async () => {
      const text = await vscode.window.showInputBox({
        title: "Show only jobs with this text; empty shows all",
        value: queue.filter ?? "",
      });
      if (text === undefined) return;
      queue.filter = text || undefined;
      view.description = text ? `“${text}”` : undefined;
      queue.refresh();
    }),
    command("namdrunner.doctor", doctor),
    command("namdrunner.restart", () => server.restart()),
    command("namdrunner.setServer", async () => {
      const [file] = (await vscode.window.showOpenDialog({ title: "The program namdrunner", canSelectMany: false })) ?? [];
      if (!file) return;
      const settings = vscode.workspace.getConfiguration("namdrunner");
      // (Which starts it anew, below.)
      await settings.update("server.path", file.fsPath, vscode.ConfigurationTarget.Global);
    }),
    command("namdrunner.openSettings", async () => {
      const client = await server.get();
      const told = client?.initializeResult as { namdrunner?: { configFile?: string } } | undefined;
      const path = told?.namdrunner?.configFile;
      if (!path) return;
      const uri = vscode.Uri.file(path);
      const there = await vscode.workspace.fs.stat(uri).then(() => true, () => false);
      // A new file is only written when the person saves it.
      await vscode.window.showTextDocument(there ? uri : uri.with({ scheme: "untitled" }));
    }),
    command("namdrunner.showOutput", () => server.output.show()),
    command("namdrunner.connect", (node?: Node) =>
      node?.kind === "cluster" ? server.ask("connect", { cluster: node.name }) : undefined,
    ),
    command("namdrunner.job.open", (node?: Node) => (node?.kind === "job" ? open(node.job.jobId) : undefined)),
    ...["submit", "cancel", "config", "diff", "log", "download", "delete"].map((action) =>
      command(`namdrunner.job.${action}`, onJob(action)),
    ),
  );
  for (const document of vscode.workspace.textDocuments) void detect(document);
  if (view.visible || vscode.workspace.textDocuments.some(({ languageId }) => languageId === "namd")) {
    // Not waited for: the editor goes on.
    void server.get().then(draw);
  }
  return { jobs, server, queue };
}

export async function deactivate(): Promise<void> {
  // The server is ended by what is disposed.
}
