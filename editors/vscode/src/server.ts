/** The server as a language client: found, started, listened to, and started again when it ends. */

import * as fs from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";
import type { CloseAction, CloseHandlerResult, LanguageClient, LanguageClientOptions } from "vscode-languageclient/node";

import type {
  ClusterStatusChanged,
  InitializeResult,
  JobDeleted,
  JobProgressed,
  JobStatusChanged,
  ListClustersResult,
  ListJobsResult,
  PROTOCOL_VERSION,
} from "../../../protocol/namdrunner";
import type { Jobs } from "./pure/jobs";
import { authPrompt, hostKeyPrompt, type AuthPrompt, type HostKeyPrompt } from "./prompts";

/** The protocol that is spoken here. */
const PROTOCOL: typeof PROTOCOL_VERSION = 1;
/** Ends within this many milliseconds of each other count together. */
const WINDOW = 3 * 60_000;
/** So many of them, and it is not started again by itself. */
const PATIENCE = 4;

/** An error answer with what to do about it. */
export function explain(error: unknown): string {
  const { message, data } = error as { message?: string; data?: { hint?: string } };
  return data?.hint ? `${message} ${data.hint}` : (message ?? String(error));
}

/** The program: the setting, else the one beside the extension, else the one on the PATH. */
export function findServer(extension: string, setting: string, searched = process.env["PATH"] ?? ""): string | undefined {
  const runs = (file: string) => {
    try {
      fs.accessSync(file, fs.constants.X_OK);
      return fs.statSync(file).isFile();
    } catch {
      return false;
    }
  };
  const name = process.platform === "win32" ? "namdrunner.exe" : "namdrunner";
  if (setting) {
    const file = setting.replace(/^~(?=\/)/, process.env["HOME"] ?? "~");
    return runs(file) ? file : undefined;
  }
  const home = process.env["HOME"];
  const places = [path.join(extension, "server", name)];
  for (const folder of searched.split(path.delimiter)) if (folder) places.push(path.join(folder, name));
  if (home) places.push(path.join(home, ".cargo", "bin", name));
  return places.find(runs);
}

export class Server implements vscode.Disposable {
  client: LanguageClient | undefined;
  readonly output = vscode.window.createOutputChannel("NAMDRunner", { log: true });
  /** There is no program that could be started, and that has been said. */
  refused = false;
  private ends: number[] = [];
  private starting: Promise<LanguageClient | undefined> | undefined;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly jobs: Jobs,
    private readonly middleware: LanguageClientOptions["middleware"],
  ) {}

  /** The running client; starts it if need be. Undefined if there is no program; that has been said. */
  get(): Promise<LanguageClient | undefined> {
    if (this.client?.isRunning()) return Promise.resolve(this.client);
    this.starting ??= this.start().finally(() => (this.starting = undefined));
    return this.starting;
  }

  /** Asks the server; an error is shown to the person and gives undefined. */
  async ask<R>(method: string, params: object, token?: vscode.CancellationToken): Promise<R | undefined> {
    try {
      return await this.request<R>(method, params, token);
    } catch (error) {
      if (!token?.isCancellationRequested) void vscode.window.showErrorMessage(explain(error));
      return undefined;
    }
  }

  /** Asks the server. */
  async request<R>(method: string, params: object, token?: vscode.CancellationToken): Promise<R> {
    const client = await this.get();
    if (!client) throw new Error("The NAMDRunner server does not run.");
    // (With a third argument that is undefined it would send positions.)
    return token ? client.sendRequest<R>(method, params, token) : client.sendRequest<R>(method, params);
  }

  async restart(): Promise<void> {
    this.ends = [];
    await this.stop();
    await this.get();
  }

  async stop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    this.jobs.clear();
    await client?.dispose(5000);
  }

  dispose(): void {
    void this.stop();
    this.output.dispose();
  }

  private async start(): Promise<LanguageClient | undefined> {
    const settings = vscode.workspace.getConfiguration("namdrunner");
    const command = findServer(this.context.extensionPath, settings.get("server.path", ""));
    await vscode.commands.executeCommand("setContext", "namdrunner.missing", !command);
    this.refused = !command;
    if (!command) {
      void this.tellMissing(settings.get("server.path", ""));
      return undefined;
    }
    const old = this.client;
    this.client = undefined;
    await old?.dispose(1000).catch(() => undefined);
    // Loaded when it is needed: it is most of the extension.
    const { CloseAction, ErrorAction, LanguageClient, State } = await import("vscode-languageclient/node.js");
    const client = new LanguageClient(
      "namdrunner",
      "NAMDRunner",
      { command },
      {
        documentSelector: [{ scheme: "file", language: "namd" }],
        outputChannel: this.output,
        traceOutputChannel: this.output,
        initializationOptions: {
          client: { name: "namdrunner.vscode", version: String(this.context.extension.packageJSON.version) },
          canPrompt: true,
        },
        middleware: this.middleware,
        errorHandler: {
          error: () => ({ action: ErrorAction.Continue }),
          closed: () => this.closed(CloseAction.Restart, CloseAction.DoNotRestart),
        },
      },
    );
    client.onNotification("jobStatusChanged", (told: JobStatusChanged) => this.jobs.changed(told));
    client.onNotification("jobDeleted", (told: JobDeleted) => this.jobs.deleted(told));
    client.onNotification("jobProgress", (told: JobProgressed) => this.jobs.progressed(told));
    client.onNotification("clusterStatusChanged", (told: ClusterStatusChanged) => this.jobs.cluster(told.status));
    client.onNotification("syncCompleted", () => undefined);
    client.onRequest("authPrompt", (prompt: AuthPrompt, token) => authPrompt(prompt, token));
    client.onRequest("hostKeyPrompt", (prompt: HostKeyPrompt, token) => hostKeyPrompt(prompt, token));
    client.onDidChangeState(({ newState }) => {
      // Also after a start of the client's own, behind a crash.
      if (newState === State.Running) void this.fill(client);
    });
    this.client = client;
    try {
      await client.start();
    } catch (error) {
      void vscode.window.showErrorMessage(`The NAMDRunner server (${command}) could not be started: ${explain(error)}`);
      return undefined;
    }
    const told = client.initializeResult as Partial<InitializeResult> | undefined;
    if (told?.namdrunner?.protocol !== PROTOCOL) {
      await this.stop();
      this.refused = true;
      void vscode.window.showErrorMessage(
        `${command} speaks protocol ${told?.namdrunner?.protocol ?? "?"} of NAMDRunner (${told?.serverInfo?.name ?? "an unnamed server"} ${told?.serverInfo?.version ?? "?"}); this extension speaks ${PROTOCOL}. Update the older of the two, then run “NAMD: Restart Server”.`,
      );
      return undefined;
    }
    return client;
  }

  private closed(restart: CloseAction, rest: CloseAction): CloseHandlerResult {
    const now = Date.now();
    this.ends = [...this.ends.filter((at) => now - at < WINDOW), now];
    this.jobs.clear();
    if (this.ends.length < PATIENCE) return { action: restart };
    void vscode.window
      .showErrorMessage(
        `The NAMDRunner server ended ${this.ends.length} times in three minutes and is not started again.`,
        "Try again",
        "Show output",
      )
      .then((chosen) => {
        if (chosen === "Try again") void this.restart();
        if (chosen === "Show output") this.output.show();
      });
    return { action: rest, handled: true };
  }

  /** Gets everything once; from then on changes are told. */
  private async fill(client: LanguageClient): Promise<void> {
    try {
      let page: ListJobsResult | undefined;
      do {
        page = await client.sendRequest<ListJobsResult>("listJobs", { limit: 1000, after: page?.next });
        this.jobs.fill(page);
      } while (page.next);
      const { clusters } = await client.sendRequest<ListClustersResult>("listClusters", {});
      for (const cluster of clusters) this.jobs.cluster(cluster);
      await vscode.commands.executeCommand("setContext", "namdrunner.ready", true);
    } catch (error) {
      this.output.error(explain(error));
    }
  }

  private async tellMissing(setting: string): Promise<void> {
    const where = setting ? `at ${setting} (the setting namdrunner.server.path)` : "on the PATH";
    const chosen = await vscode.window.showErrorMessage(
      `The program namdrunner was not found ${where}. Install it: cargo install --path . in a checkout of NAMDRunner.`,
      "Set where it is",
    );
    if (chosen) await vscode.commands.executeCommand("namdrunner.setServer");
  }
}
