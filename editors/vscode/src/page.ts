/** The page of one job: a webview that follows the job while it is shown. */

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";

import type { JobHistoryResult, JobLogResult, JobResult, ListFilesResult } from "../../../protocol/namdrunner";
import { page } from "./pure/html";
import type { Jobs } from "./pure/jobs";
import type { ShownJob } from "./pure/words";
import type { Server } from "./server";

const open = new Map<string, vscode.WebviewPanel>();

/** Shows the page of a job; `act` carries out what its buttons ask for. */
export async function showPage(
  server: Server,
  jobs: Jobs,
  jobId: string,
  act: (action: string, job: ShownJob) => void,
): Promise<void> {
  const known = open.get(jobId);
  if (known) return known.reveal();
  const status = await server.ask<JobResult>("jobStatus", { jobId });
  if (!status) return;
  const panel = vscode.window.createWebviewPanel("namdrunner.job", status.job.jobName, vscode.ViewColumn.Active, {
    enableScripts: true,
    localResourceRoots: [],
  });
  open.set(jobId, panel);
  let current: ShownJob = status.job;
  const fill = async () => {
    const quietly = <R>(method: string, params: object) => server.request<R>(method, params).catch(() => undefined);
    const [now, history, files, log] = await Promise.all([
      quietly<JobResult>("jobStatus", { jobId }),
      quietly<JobHistoryResult>("jobHistory", { jobId }),
      // What an older server lacks is shown as nothing.
      quietly<ListFilesResult>("listFiles", { jobId }),
      quietly<JobLogResult>("jobLog", { jobId, which: "namd", tail: 16384 }),
    ]);
    current = now?.job ?? current;
    panel.title = current.jobName;
    panel.webview.html = page(
      {
        job: current,
        history: history?.entries ?? [],
        files: files?.files ?? [],
        log: log?.text ?? "",
      },
      randomBytes(16).toString("base64"),
      Date.now(),
    );
  };
  let due: NodeJS.Timeout | undefined;
  const listener = jobs.listen((news) => {
    if (news.kind === "gone" && news.jobId === jobId) return panel.dispose();
    if (news.kind === "all" || (news.kind === "job" && news.job.jobId === jobId)) {
      due ??= setTimeout(() => {
        due = undefined;
        void fill();
      }, 300);
    }
  });
  panel.webview.onDidReceiveMessage((message: { action?: unknown }) => {
    if (typeof message.action === "string") act(message.action, current);
  });
  panel.onDidDispose(() => {
    clearTimeout(due);
    listener.dispose();
    open.delete(jobId);
  });
  await fill();
}
