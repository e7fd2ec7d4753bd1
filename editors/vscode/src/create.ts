/** From a config to a job: what it would be, what it asks for, and its making. */

import * as vscode from "vscode";

import type { CreateJobResult, ListClustersResult, PreviewJobResult, Resources } from "../../../protocol/namdrunner";
import type { Documents } from "./documents";
import { changed, FIELDS, mistake, shown, type Field } from "./pure/form";
import { size } from "./pure/words";
import type { Server } from "./server";

/** What a job would ask for, beside its config. */
interface Wish {
  cluster?: string;
  name?: string;
  resources?: Resources;
}

export class Creation {
  constructor(
    private readonly server: Server,
    private readonly documents: Documents,
  ) {}

  /** Shows the files and the script a job would have. Nothing is sent. */
  async preview(uri: vscode.Uri, wish: Wish = {}): Promise<void> {
    const would = await this.server.ask<PreviewJobResult>("previewJob", { configPath: uri.fsPath, ...wish });
    if (would) await this.documents.show(`preview of ${uri.path.split("/").pop()}`, previewText(would), "shellscript");
  }

  /** Makes a job, and submits it. */
  async create(uri: vscode.Uri, submit: boolean, wish: Wish = {}): Promise<void> {
    const document = vscode.workspace.textDocuments.find((one) => one.uri.toString() === uri.toString());
    if (document?.isDirty && !(await document.save())) return;
    const token = `create-${Date.now()}-${Math.random()}`;
    const made = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: "NAMD job", cancellable: true },
      (_, cancelled) =>
        this.server.ask<CreateJobResult>("createJob", { configPath: uri.fsPath, ...wish, submit, workDoneToken: token }, cancelled),
    );
    if (made) {
      const what = submit ? "was created and is being submitted" : "was created";
      void vscode.window.showInformationMessage(`${made.job.jobName} ${what} on ${made.job.cluster}.`);
    }
  }

  /** Asks where and how, shows what would be done, and does it. */
  async ask(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    if (document?.languageId !== "namd") {
      return void vscode.window.showErrorMessage("Open a NAMD config first: the job is made of it.");
    }
    if (document.isDirty && !(await document.save())) return;
    const listed = await this.server.ask<ListClustersResult>("listClusters", {});
    if (!listed) return;
    const cluster =
      listed.clusters.length === 1
        ? listed.clusters[0]
        : await vscode.window
            .showQuickPick(
              listed.clusters.map((one) => ({ label: one.name, description: `${one.scheduler}, ${one.health}`, one })),
              { title: "Create a NAMD job (1 of 2): on which cluster?" },
            )
            .then((chosen) => chosen?.one);
    if (!cluster) return;
    // Only what is changed here is sent: the rest stays with the cluster's defaults.
    const wish: Wish = { cluster: cluster.name };
    for (;;) {
      const would = await this.server.ask<PreviewJobResult>("previewJob", { configPath: document.uri.fsPath, ...wish });
      if (!would) return;
      const chosen = await this.form(wish, cluster.defaults, would);
      if (!chosen) return;
      if (chosen === "preview") {
        await this.documents.show(`preview of ${document.uri.path.split("/").pop()}`, previewText(would), "shellscript");
      } else if (chosen === "submit" || chosen === "create") {
        return this.create(document.uri, chosen === "submit", wish);
      } else {
        await this.change(wish, cluster.defaults, chosen);
      }
    }
  }

  /** The fields with their values, and what can be done. */
  private async form(
    wish: Wish,
    defaults: Resources,
    would: PreviewJobResult,
  ): Promise<"submit" | "create" | "preview" | "name" | Field | undefined> {
    const warnings = would.findings.filter(({ severity }) => severity !== "information").length;
    const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator, choice: undefined });
    const items = [
      { label: "$(play) Create and submit", choice: "submit" as const },
      { label: "$(add) Create, submit later", choice: "create" as const },
      { label: "$(open-preview) Show the files and the script first", choice: "preview" as const },
      separator("what it asks for"),
      { label: "Name", description: wish.name ?? "the config's", choice: "name" as const },
      ...FIELDS.map((field) => {
        const own = wish.resources && field.key in wish.resources;
        const value = shown(field, own ? wish.resources! : defaults);
        return { label: field.label, description: value ? (own ? value : `${value} (default)`) : "", choice: field };
      }),
    ];
    const chosen = await vscode.window.showQuickPick(items, {
      title: `A NAMD job on ${wish.cluster}: ${would.files.length} files, ${size(would.totalBytes)}${warnings ? `, ${warnings} warnings` : ""}`,
      placeHolder: "Create it, or choose what to change",
      ignoreFocusOut: true,
    });
    return chosen?.choice;
  }

  /** Asks for one value. */
  private async change(wish: Wish, defaults: Resources, what: "name" | Field): Promise<void> {
    if (what === "name") {
      const name = await vscode.window.showInputBox({ title: "The job's name; empty: the config's", value: wish.name ?? "" });
      if (name !== undefined) wish.name = name.trim() || undefined;
      return;
    }
    const text = await vscode.window.showInputBox({
      title: `${what.label}; empty: the cluster's default`,
      value: shown(what, { ...defaults, ...wish.resources }),
      placeHolder: what.example,
      validateInput: (now) => mistake(what, now),
    });
    if (text !== undefined) wish.resources = changed(wish.resources ?? {}, what, text);
  }
}

function previewText(would: PreviewJobResult): string {
  const lines = [
    ...would.findings.map((finding) => `# ${finding.severity}: ${finding.message}`),
    `# ${would.files.length} files, ${size(would.totalBytes)} to be sent`,
    ...would.files.map(
      (file) => `# ${file.action.padEnd(9)} ${(file.bytes === undefined ? "" : size(file.bytes)).padStart(8)}  ${file.remote}`,
    ),
    ...(would.rewritten ? ["# the uploaded config differs:", ...would.rewritten.split("\n").map((line) => `#   ${line}`)] : []),
    "",
    would.script,
  ];
  return lines.join("\n");
}
