/** Why a job failed, at the line of its config: as long as the file is what the job ran. */

import { createHash } from "node:crypto";
import * as vscode from "vscode";

import type { DiagnoseResult, Diagnosis } from "../../../protocol/namdrunner";
import type { Jobs } from "./pure/jobs";
import type { ShownJob } from "./pure/words";
import type { Server } from "./server";

/** The first line that runs something, else the first. */
function runLine(document: vscode.TextDocument): vscode.Range {
  for (let line = 0; line < document.lineCount; line += 1) {
    if (/^\s*(run|minimize)\s/i.test(document.lineAt(line).text)) return document.lineAt(line).range;
  }
  return document.lineAt(0).range;
}

export class Diagnoses implements vscode.Disposable {
  private readonly collection = vscode.languages.createDiagnosticCollection("namdrunner.diagnosis");
  /** What is marked in each document. */
  private readonly marked = new Map<string, string>();
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly server: Server,
    private readonly jobs: Jobs,
  ) {
    this.subscriptions = [
      this.collection,
      jobs.listen((news) => {
        for (const document of vscode.workspace.textDocuments) {
          if (news.kind !== "cluster" && (news.kind !== "job" || news.job.configPath === document.uri.fsPath)) {
            void this.look(document);
          }
        }
      }),
      vscode.workspace.onDidOpenTextDocument((document) => void this.look(document)),
      vscode.workspace.onDidSaveTextDocument((document) => void this.look(document)),
      vscode.workspace.onDidCloseTextDocument((document) => this.forget(document)),
    ];
  }

  dispose(): void {
    for (const one of this.subscriptions) one.dispose();
  }

  private forget(document: vscode.TextDocument): void {
    this.marked.delete(document.uri.toString());
    this.collection.delete(document.uri);
  }

  private async look(document: vscode.TextDocument): Promise<void> {
    if (document.languageId !== "namd" || document.uri.scheme !== "file") return;
    const address = document.uri.toString();
    const job = this.jobs.ofConfig(document.uri.fsPath);
    const failed = job?.status === "FAILED" && (await isWhatRan(job, document.uri)) ? job : undefined;
    // (It is known a little later than the failure, and told then.)
    const now = failed ? `${failed.jobId} ${failed.attempt} ${failed.diagnosis?.cause ?? ""}` : "";
    if ((this.marked.get(address) ?? "") === now) return;
    this.marked.set(address, now);
    this.collection.delete(document.uri);
    if (!failed) return;
    const found =
      failed.diagnosis ??
      (await this.server.request<DiagnoseResult>("diagnose", { jobId: failed.jobId }).catch(() => undefined))?.diagnosis;
    if (found && this.marked.get(address) === now) this.mark(document, failed, found);
  }

  private mark(document: vscode.TextDocument, job: ShownJob, found: Diagnosis): void {
    const { start, end } = found.range ?? runLine(document);
    const advice = found.advice[0];
    const mark = new vscode.Diagnostic(
      new vscode.Range(start.line, start.character, end.line, end.character),
      `${job.jobName} failed: ${found.summary}${advice ? `\n${advice.text}` : ""}`,
      vscode.DiagnosticSeverity.Error,
    );
    mark.source = "namdrunner";
    mark.code = found.cause;
    this.collection.set(document.uri, [mark]);
  }
}

async function isWhatRan(job: ShownJob, uri: vscode.Uri): Promise<boolean> {
  try {
    const bytes = await vscode.workspace.fs.readFile(uri);
    return createHash("sha256").update(bytes).digest("hex") === job.configSha256;
  } catch {
    return false;
  }
}
