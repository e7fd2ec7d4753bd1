/** The queue: clusters, their jobs by status, members of arrays. */

import * as vscode from "vscode";

import type { ClusterStatus, Member, Status } from "../../../protocol/namdrunner";
import type { Jobs } from "./pure/jobs";
import { colour, detail, ended, headline, icon, type ShownJob } from "./pure/words";

export type Node =
  | { kind: "cluster"; name: string }
  | { kind: "group"; cluster: string; status: Status }
  | { kind: "job"; job: ShownJob }
  | { kind: "member"; job: ShownJob; member: Member };

const HEALTH: Record<string, [words: string, icon: string]> = {
  ok: ["", "server"],
  connecting: ["connecting", "loading~spin"],
  authRequired: ["needs a login", "key"],
  unavailable: ["does not answer", "debug-disconnect"],
  unchecked: ["not asked yet", "server"],
};

export class Queue implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<Node | undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  private due: NodeJS.Timeout | undefined;
  private groups: ReturnType<Jobs["grouped"]> = [];
  private readonly listener: { dispose(): void };
  filter: string | undefined;

  constructor(
    private readonly jobs: Jobs,
    private readonly members: (jobId: string) => Promise<Member[]>,
  ) {
    this.groups = jobs.grouped();
    this.listener = jobs.listen(() => this.refresh());
  }

  /** Shows the list anew soon: a burst of changes is one. */
  refresh(): void {
    this.due ??= setTimeout(() => {
      this.due = undefined;
      this.groups = this.jobs.grouped(this.filter);
      this.changed.fire(undefined);
    }, 100);
  }

  dispose(): void {
    clearTimeout(this.due);
    this.listener.dispose();
    this.changed.dispose();
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (!node) {
      // Without jobs the welcome text says more than a list of clusters, unless one needs something.
      const nothing = this.groups.every(({ groups }) => groups.length === 0);
      const quiet = this.jobs.clusters().every(({ health }) => health === "ok" || health === "unchecked");
      if (nothing && quiet && !this.filter) return [];
      return this.groups.map(({ cluster }) => ({ kind: "cluster", name: cluster }));
    }
    if (node.kind === "cluster") {
      const of = this.groups.find(({ cluster }) => cluster === node.name);
      return (of?.groups ?? []).map(({ status }) => ({ kind: "group", cluster: node.name, status }));
    }
    if (node.kind === "group") {
      const of = this.groups.find(({ cluster }) => cluster === node.cluster);
      const jobs = of?.groups.find(({ status }) => status === node.status)?.jobs ?? [];
      return jobs.map((job) => ({ kind: "job", job }));
    }
    if (node.kind === "job") {
      const members = await this.members(node.job.jobId);
      return members.map((member) => ({ kind: "member", job: node.job, member }));
    }
    return [];
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case "cluster":
        return this.clusterItem(node.name);
      case "group": {
        const of = this.groups.find(({ cluster }) => cluster === node.cluster);
        const count = of?.groups.find(({ status }) => status === node.status)?.jobs.length ?? 0;
        const open = !ended(node.status) || node.status === "FAILED";
        const state = open ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.Collapsed;
        const item = new vscode.TreeItem(node.status, state);
        item.id = `${node.cluster}/${node.status}`;
        item.description = String(count);
        item.iconPath = themed(node.status);
        item.contextValue = "group";
        return item;
      }
      case "job":
        return jobItem(node.job);
      case "member": {
        const item = new vscode.TreeItem(`member ${node.member.id}`);
        item.id = `${node.job.jobId}/${node.member.id}`;
        item.description = node.member.exitCode === undefined
          ? (node.member.slurmState ?? node.member.status)
          : `${node.member.status}, exit code ${node.member.exitCode}`;
        item.iconPath = themed(node.member.status);
        item.contextValue = "member";
        return item;
      }
    }
  }

  private clusterItem(name: string): vscode.TreeItem {
    const state: ClusterStatus | undefined = this.jobs.clusters().find((one) => one.name === name);
    const item = new vscode.TreeItem(name, vscode.TreeItemCollapsibleState.Expanded);
    const [words, symbol] = HEALTH[state?.health ?? "unchecked"] ?? ["", "server"];
    item.id = name;
    item.description = words;
    item.iconPath = new vscode.ThemeIcon(symbol);
    item.contextValue = "cluster";
    item.tooltip = [state?.reason, state?.hint].filter(Boolean).join("\n") || name;
    return item;
  }
}

function themed(status: Status): vscode.ThemeIcon {
  const shade = colour(status);
  return new vscode.ThemeIcon(icon(status), shade ? new vscode.ThemeColor(shade) : undefined);
}

function jobItem(job: ShownJob): vscode.TreeItem {
  const array = job.array !== undefined;
  const item = new vscode.TreeItem(
    job.jobName,
    array ? vscode.TreeItemCollapsibleState.Collapsed : vscode.TreeItemCollapsibleState.None,
  );
  const now = Date.now();
  item.id = job.jobId;
  item.description = [job.slurmJobId, detail(job, now)].filter(Boolean).join(" · ");
  item.iconPath = themed(job.status);
  item.contextValue = `job.${ended(job.status) ? "ended" : job.status === "CREATED" ? "created" : "live"}`;
  item.command = { command: "namdrunner.job.open", title: "Show Job", arguments: [{ kind: "job", job }] };
  const lines = [
    `**${escapeMarkdown(job.jobName)}**`,
    escapeMarkdown(headline(job, now)),
    `\`${job.configPath.replace(/`/g, "'")}\``,
    job.observed?.at ? `seen ${job.observed.at.replace("T", " ").slice(0, 19)} UTC by ${job.observed.source ?? "?"}` : "",
    job.nodes ? `on ${escapeMarkdown(job.nodes)}` : "",
  ];
  item.tooltip = new vscode.MarkdownString(lines.filter(Boolean).join("\n\n"));
  item.accessibilityInformation = { label: `${job.jobName}, ${headline(job, now)}` };
  return item;
}

function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-.!<>|]/g, "\\$&");
}
