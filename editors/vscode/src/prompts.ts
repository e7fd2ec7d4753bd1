/** What the server asks the person: passwords, codes, and whether a host's key is right. */

import * as vscode from "vscode";

export interface AuthPrompt {
  cluster: string;
  host?: string;
  user?: string;
  name?: string;
  instructions?: string;
  reason?: string;
  prompts: { text: string; echo: boolean }[];
}

export interface HostKeyPrompt {
  cluster: string;
  host: string;
  port?: number;
  algorithm: string;
  fingerprint: string;
  state: "new" | "changed";
}

/** Answers `authPrompt`, prompt by prompt; null gives up. */
export async function authPrompt(
  asked: AuthPrompt,
  token: vscode.CancellationToken,
): Promise<{ answers: string[] } | null> {
  const answers: string[] = [];
  const about = [asked.reason, asked.name, asked.instructions].filter(Boolean).join(" — ");
  for (const [index, prompt] of asked.prompts.entries()) {
    const answer = await vscode.window.showInputBox(
      {
        title: `NAMD: log in to ${asked.cluster} (${asked.user ?? "?"}@${asked.host ?? "?"})${asked.prompts.length > 1 ? `, ${index + 1} of ${asked.prompts.length}` : ""}`,
        prompt: [about, prompt.text.trim()].filter(Boolean).join("\n"),
        password: !prompt.echo,
        ignoreFocusOut: true,
      },
      token,
    );
    if (answer === undefined) return null;
    answers.push(answer);
  }
  return { answers };
}

/** Answers `hostKeyPrompt`. A changed key can only be refused: the request informs. */
export async function hostKeyPrompt(
  asked: HostKeyPrompt,
  token: vscode.CancellationToken,
): Promise<{ accept: boolean }> {
  const key = `${asked.algorithm} ${asked.fingerprint}`;
  if (asked.state === "changed") {
    const host = asked.port && asked.port !== 22 ? `'[${asked.host}]:${asked.port}'` : asked.host;
    void vscode.window.showErrorMessage(`The key of ${asked.host} has changed.`, {
      modal: true,
      detail: `It is now ${key}. Nothing was sent. If the administrators changed it, remove the old one: ssh-keygen -R ${host}`,
    });
    return { accept: false };
  }
  const accept = "It is the right key: connect";
  const chosen = await Promise.race([
    vscode.window.showWarningMessage(
      `${asked.host} is not known yet.`,
      { modal: true, detail: `Its key for cluster ${asked.cluster} is ${key}. Compare it with what the site publishes.` },
      accept,
    ),
    new Promise<undefined>((resolve) => token.onCancellationRequested(() => resolve(undefined))),
  ]);
  return { accept: chosen === accept };
}
