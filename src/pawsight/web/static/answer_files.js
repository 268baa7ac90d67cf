// Answers as files: CSV for spreadsheets, JSON for programs.

// A spreadsheet reads text that begins like this as a formula, and file names are not trusted.
const FORMULA = /^[=+\-@\t\r]/;

export function csv(items, classes) {
  const header = ["file", "label", "probability", "verdict", "error", ...classes];
  const rows = items.map(({ name, prediction, reason }) => [
    name,
    prediction?.label ?? prediction?.verdict ?? "",
    prediction?.probability ?? "",
    prediction?.verdict ?? "",
    reason ?? "",
    ...classes.map((one) => prediction?.probabilities?.[one] ?? ""),
  ]);
  return `\ufeff${[header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

export function json(items, model) {
  const predictions = items.map(({ name, prediction, reason }) => ({
    file: name,
    label: prediction?.label ?? prediction?.verdict ?? null,
    probability: prediction?.probability ?? null,
    probabilities: prediction?.probabilities ?? null,
    verdict: prediction?.verdict ?? null,
    decision: prediction?.verdict ?? null,
    error: reason,
  }));
  return `${JSON.stringify({ classes: model.classes, recipe: model.recipe, predictions }, null, 2)}\n`;
}

export function download(name, content, type = "application/octet-stream") {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = document.createElement("a");
  Object.assign(link, { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function cell(value) {
  if (typeof value === "number") return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
