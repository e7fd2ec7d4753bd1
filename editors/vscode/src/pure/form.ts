/** What a job may ask of the batch system, as fields of a form. Pure. */

import type { Resources } from "../../../../protocol/namdrunner";
import { clock } from "./words";

/** A field: `kind` says how its text is read. */
export interface Field {
  key: keyof Resources;
  label: string;
  kind: "count" | "time" | "text" | "list";
  example: string;
}

/** The fields, those that are changed most first; each is one of the protocol's `Resources`. */
export const FIELDS: readonly Field[] = [
  { key: "walltime", label: "Wall clock", kind: "time", example: "2:00:00, 1-12:00:00, 90 (minutes)" },
  { key: "nodes", label: "Nodes", kind: "count", example: "1" },
  { key: "ntasks", label: "Tasks", kind: "count", example: "4" },
  { key: "cpusPerTask", label: "Cores for each task", kind: "count", example: "8" },
  { key: "memory", label: "Memory of each node", kind: "text", example: "4G, 512M" },
  { key: "gres", label: "Generic resources", kind: "text", example: "gpu:1" },
  { key: "partition", label: "Partition", kind: "text", example: "main" },
  { key: "qos", label: "Quality of service", kind: "text", example: "normal" },
  { key: "account", label: "Account", kind: "text", example: "chem123" },
  { key: "constraint", label: "Node features", kind: "text", example: "avx512" },
  { key: "extra", label: "Further options of sbatch", kind: "list", example: "--mail-type=END --exclusive" },
];

/** A time as Slurm takes it, in seconds: `90` (minutes), `3:04`, `2:03:04`, `1-02`, `1-02:03:04`. */
export function seconds(text: string): number | undefined {
  const days = /^(\d+)-(\d+)(?::(\d+))?(?::(\d+))?$/.exec(text);
  if (days) return ((+days[1]! * 24 + +days[2]!) * 60 + +(days[3] ?? 0)) * 60 + +(days[4] ?? 0);
  const parts = /^(\d+)(?::(\d+))?(?::(\d+))?$/.exec(text);
  if (!parts) return undefined;
  const [a, b, c] = [parts[1], parts[2], parts[3]].map((part) => (part === undefined ? undefined : +part));
  if (c !== undefined) return (a! * 60 + b!) * 60 + c;
  return b !== undefined ? a! * 60 + b : a! * 60;
}

/** A field's value as text; empty where the job does not say. */
export function shown(field: Field, resources: Resources): string {
  const value = resources[field.key];
  if (value === undefined) return "";
  if (field.kind === "time") return clock(value as number);
  return Array.isArray(value) ? value.join(" ") : String(value);
}

/** Why a text cannot be the value of a field; undefined where it can. */
export function mistake(field: Field, text: string): string | undefined {
  const trimmed = text.trim();
  if (!trimmed) return undefined;
  if (field.kind === "count" && !/^[1-9]\d*$/.test(trimmed)) return "A whole number from 1, or nothing for the cluster's default.";
  if (field.kind === "time" && !seconds(trimmed)) return `A time as Slurm takes it: ${field.example}.`;
  if (field.kind === "list" && !trimmed.split(/\s+/).every((one) => one.startsWith("-"))) return `Options of sbatch: ${field.example}.`;
  return undefined;
}

/** The resources with a field set to a text; an empty one leaves it to the cluster. */
export function changed(resources: Resources, field: Field, text: string): Resources {
  const { [field.key]: _, ...rest } = resources;
  const trimmed = text.trim();
  if (!trimmed) return rest;
  switch (field.kind) {
    case "count":
      return { ...rest, [field.key]: Number(trimmed) };
    case "time":
      return { ...rest, [field.key]: seconds(trimmed) };
    case "list":
      return { ...rest, [field.key]: trimmed.split(/\s+/) };
    case "text":
      return { ...rest, [field.key]: trimmed };
  }
}
