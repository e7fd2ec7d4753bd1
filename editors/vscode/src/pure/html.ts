/** The page of one job as HTML. Pure: everything foreign is escaped, nothing comes from elsewhere. */

import type { HistoryEntry, JobFile } from "../../../../protocol/namdrunner";
import { FIELDS, shown } from "./form";
import { clock, detail, ended, fraction, headline, size, span, used, type ShownJob } from "./words";

/** Text as HTML. */
export function escape(text: unknown): string {
  return String(text)
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/"/g, "&quot;")
    .replace(/'/g, "&#39;");
}

/** What the page is made of. */
export interface PageState {
  job: ShownJob;
  history: HistoryEntry[];
  files: Pick<JobFile, "path" | "role" | "bytes" | "place" | "input">[];
  log: string;
}

const STYLE = `
body { padding: 0 1.5rem 2rem; max-width: 60rem; }
h1 { font-size: 1.4em; margin-bottom: .2em; }
h2 { font-size: 1.1em; margin-top: 1.6em; border-bottom: 1px solid var(--vscode-panel-border); }
.state { font-size: 1.1em; }
.FAILED, .UNKNOWN { color: var(--vscode-errorForeground); }
.meter { height: .8em; border: 1px solid var(--vscode-contrastBorder, var(--vscode-panel-border)); background: var(--vscode-editorWidget-background); margin: .4em 0; }
.meter > div { height: 100%; background: var(--vscode-progressBar-background); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1.2em; }
dt { color: var(--vscode-descriptionForeground); }
dd { margin: 0; overflow-wrap: anywhere; font-family: var(--vscode-editor-font-family); }
table { border-collapse: collapse; width: 100%; }
time { white-space: nowrap; }
th, td { text-align: left; padding: .15em .8em .15em 0; vertical-align: top; }
.number { text-align: right; white-space: nowrap; }
td.evidence { font-family: var(--vscode-editor-font-family); overflow-wrap: anywhere; color: var(--vscode-descriptionForeground); }
pre { max-height: 24em; overflow: auto; padding: .6em; background: var(--vscode-textCodeBlock-background); }
button { color: var(--vscode-button-foreground); background: var(--vscode-button-background); border: 1px solid var(--vscode-contrastBorder, var(--vscode-button-border, var(--vscode-panel-border))); padding: .35em .9em; margin-right: .5em; cursor: pointer; }
button.secondary { color: var(--vscode-button-secondaryForeground); background: var(--vscode-button-secondaryBackground); }
button:focus-visible { outline: 2px solid var(--vscode-focusBorder); outline-offset: 2px; }
button.small { padding: 0 .5em; margin: 0; }
summary { cursor: pointer; margin-top: .4em; }
.diagnosis { border-left: 4px solid var(--vscode-editorError-foreground); padding: .2em 1em; background: var(--vscode-textBlockQuote-background); }
`;

function meter(label: string, part: number): string {
  const percent = Math.round(Math.min(1, Math.max(0, part)) * 100);
  return `<div class="meter" role="progressbar" aria-label="${escape(label)}" aria-valuenow="${percent}" aria-valuemin="0" aria-valuemax="100"><div data-width="${percent}"></div></div>`;
}

function button(action: string, label: string, secondary = false, small = false): string {
  const style = [secondary && "secondary", small && "small"].filter(Boolean).join(" ");
  return `<button data-action="${escape(action)}"${style ? ` class="${style}"` : ""}>${escape(label)}</button>`;
}

/** What the run wrote, then what it was given; what keeps the books stays folded. */
function files(all: PageState["files"]): string {
  const table = (listed: PageState["files"], get: boolean) =>
    `<table><thead><tr><th scope="col">File</th><th scope="col">Role</th><th scope="col" class="number">Size</th><th scope="col">Where</th>${get ? '<th scope="col"><span hidden>Get</span></th>' : ""}</tr></thead><tbody>${listed
      .map(
        (file) =>
          `<tr><td>${escape(file.path)}</td><td>${escape(file.role ?? "")}</td><td class="number">${file.bytes === undefined ? "" : size(file.bytes)}</td><td>${escape(file.place ?? "")}</td>${get ? `<td>${button(`get:${file.path}`, "Get", true, true)}</td>` : ""}</tr>`,
      )
      .join("")}</tbody></table>`;
  const control = all.filter(({ role }) => role === "control");
  const inputs = all.filter(({ role, input }) => input && role !== "control");
  const written = all.filter(({ role, input }) => !input && role !== "control");
  const folded = (title: string, listed: PageState["files"]) =>
    listed.length === 0 ? "" : `<details><summary>${title} (${listed.length})</summary>${table(listed, false)}</details>`;
  if (all.length === 0) return "";
  const none = "<p>The run has written nothing yet.</p>";
  return `<h2>Files</h2>${written.length > 0 ? table(written, true) : none}${folded("What it was given", inputs)}${folded("What keeps its books", control)}`;
}

function asked(job: ShownJob): string {
  return FIELDS.filter(({ key }) => job.resources?.[key] !== undefined)
    .map((field) => `${field.label.toLowerCase()} ${shown(field, job.resources)}`)
    .join(", ");
}

function facts(job: ShownJob): string {
  const rows: [string, unknown][] = [
    ["Job", job.jobId],
    ["Cluster", job.cluster],
    ["Batch id", job.slurmJobId && `${job.slurmJobId} ${job.slurmState ?? ""}`],
    ["Reason", job.reason && `${job.reason.code}: ${job.reason.text}`],
    ["Nodes", job.nodes],
    ["Partition", job.partition],
    ["Exit code", job.exitCode],
    ["Memory", job.maxRssBytes && size(job.maxRssBytes)],
    ["Attempt", job.attempt || undefined],
    ["Asked for", asked(job)],
    ["Config", job.configPath],
    ["Project", job.projectDir],
    ["Scratch", job.scratchDir],
  ];
  const told = rows.filter(([, value]) => value !== undefined && value !== "");
  return `<dl>${told.map(([name, value]) => `<dt>${name}</dt><dd>${escape(value)}</dd>`).join("")}</dl>`;
}

function diagnosis(job: ShownJob): string {
  const found = job.diagnosis;
  if (!found) return "";
  const evidence = (found.evidence ?? [])
    .map((one) => {
      const place = one.file ? ` (${one.file}${one.line ? `:${one.line}` : ""})` : "";
      return `<li><code>${escape(one.text)}</code> <small>${escape(one.source + place)}</small></li>`;
    })
    .join("");
  const advice = (found.advice ?? [])
    .map((one, index) => {
      // What can be done from here: another try, with or without a change of what is asked for.
      const does = one.edit ? "Change that and submit again" : one.safeToRepeat ? "Submit again" : undefined;
      const act = does && ended(job.status) ? ` ${button(`advice:${index}`, does, true, true)}` : "";
      return `<li>${escape(one.text)}${act}</li>`;
    })
    .join("");
  return `<h2>What went wrong</h2><div class="diagnosis"><p>${escape(found.summary)}</p><ul>${evidence}</ul>${advice ? `<p>What to do:</p><ul>${advice}</ul>` : ""}</div>`;
}

/** The whole page. `nonce` lets its own script and style through the policy, and nothing else. */
export function page(state: PageState, nonce: string, now: number): string {
  const { job, history, log } = state;
  const over = ended(job.status);
  const done = fraction(job);
  const seconds = used(job, now);
  const buttons = [
    job.status === "CREATED" && button("submit", "Submit"),
    over && button("submit", "Submit again"),
    !over && job.status !== "CREATED" && button("cancel", "Cancel"),
    button("config", "Open config", true),
    button("diff", "Compare config", true),
    button("log", "Open log", true),
    over && button("download", "Get results", true),
  ].filter(Boolean);
  const rows = history
    .map((entry) => {
      const at = entry.at.replace("T", " ").slice(0, 19);
      return `<tr><td><time datetime="${escape(entry.at)}">${escape(at)}</time></td><td>${escape(entry.to)}</td><td class="number">${entry.from ? escape(span(entry.secondsInFrom)) : ""}</td><td>${escape(entry.source)}</td><td class="evidence">${escape(entry.evidence ?? entry.phase ?? "")}</td></tr>`;
    })
    .join("");
  const error = job.errorInfo
    ? `<p role="alert">${escape(job.errorInfo.message)} ${escape(job.errorInfo.hint ?? "")}</p>`
    : "";
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'">
<style nonce="${nonce}">${STYLE}</style>
<title>${escape(job.jobName)}</title>
</head>
<body>
<h1>${escape(job.jobName)}</h1>
<p class="state ${escape(job.status)}" role="status">${escape(headline(job, now))}</p>
${error}
${done === undefined ? "" : meter(`steps: ${detail(job, now) ?? ""}`, done)}
${seconds !== undefined && job.timeLimitSeconds ? `<p>Wall clock: ${clock(seconds)} of ${clock(job.timeLimitSeconds)}</p>${meter("wall clock", seconds / job.timeLimitSeconds)}` : ""}
<p>${buttons.join("")}</p>
${diagnosis(job)}
${facts(job)}
<h2>History</h2>
<table><thead><tr><th scope="col">When (UTC)</th><th scope="col">Status</th><th scope="col" class="number">After</th><th scope="col">Witness</th><th scope="col">What it said</th></tr></thead><tbody>${rows}</tbody></table>
${files(state.files)}
${log ? `<h2>Log</h2><pre tabindex="0" aria-label="The end of the log">${escape(log)}</pre>` : ""}
<script nonce="${nonce}">
const vscode = acquireVsCodeApi();
for (const bar of document.querySelectorAll("[data-width]")) bar.style.width = bar.dataset.width + "%";
for (const button of document.querySelectorAll("button")) {
  button.addEventListener("click", () => vscode.postMessage({ action: button.dataset.action }));
}
</script>
</body>
</html>`;
}
