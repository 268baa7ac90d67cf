// Answers as files: CSV for spreadsheets, JSON for programs, a label patch for `pawsight train --patch`.

import { hasLabels, UNSURE } from "./words.js";

/** @import {Item, Model} from "./backend.js" */

// A spreadsheet reads text that begins like this as a formula, and file names are not trusted.
const BETWEEN = ";"; // labels of one picture
const FORMULA = /^[=+\-@\t\r]/;

/** @param {Item[]} items @param {string[]} classes */
export function csv(items, classes) {
  const several = items.some(hasLabels);
  const header = [
    "file",
    ...(several ? ["labels", "unsure"] : ["label", "probability"]),
    "verdict",
    "error",
    ...classes,
  ];
  const rows = items.map((item) => {
    const { name, prediction, reason } = item;
    const { label, probability, verdict } = decided(item);
    const said = several
      ? [prediction?.labels, prediction?.unsure].map((names) => (names ?? []).join(BETWEEN))
      : [label ?? "", probability ?? ""];
    return [
      name,
      ...said,
      verdict ?? "",
      reason ?? "",
      ...classes.map((name) => prediction?.probabilities?.[name] ?? ""),
    ];
  });
  return `\ufeff${[header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** @param {Item[]} items @param {Pick<Model, "classes" | "recipe">} model */
export function json(items, model) {
  const predictions = items.map((item) => {
    const { label, probability, verdict } = decided(item);
    return {
      file: item.name,
      label,
      probability,
      probabilities: item.prediction?.probabilities ?? null,
      verdict,
      decision: verdict,
      error: item.reason,
      code: item.code,
      ...(hasLabels(item) ? { labels: item.prediction.labels, unsure: item.prediction.unsure } : {}),
    };
  });
  return `${JSON.stringify({ classes: model.classes, recipe: model.recipe, predictions }, null, 2)}\n`;
}

/**
 * What the user said of pictures, each known by the SHA-256 of its bytes. Throws where the browser cannot compute that.
 *
 * @param {Item[]} items
 */
export async function patch(items) {
  if (!crypto.subtle) throw new Error("The browser computes digests only on this machine or over https.");
  const rows = [["path", "sha256", "action", "label", "when"]];
  for (const { name, file, truth, judged } of items) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
    const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    rows.push([name, sha256, truth === null ? "drop" : "relabel", truth ?? "", judged ?? ""]);
  }
  return `${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** As the page shows it: an answer below the user's threshold is none. @param {Item} item */
function decided({ prediction, doubted }) {
  if (!prediction) return { label: null, probability: null, verdict: null };
  if (doubted) return { label: UNSURE, probability: null, verdict: UNSURE };
  return {
    label: prediction.label ?? prediction.verdict,
    probability: prediction.probability,
    verdict: prediction.verdict,
  };
}

/** @param {string} name @param {string | Blob} content @param {string} type */
export function download(name, content, type = "application/octet-stream") {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = document.createElement("a");
  Object.assign(link, { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** @param {string | number} value */
function cell(value) {
  if (typeof value === "number") return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
