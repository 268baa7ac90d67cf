// Numbers and answers as words.

import { printable } from "./dom.js";

export const UNSURE = "unsure";
export const UNFAMILIAR = "unfamiliar";

// What became of one picture: "waiting", "answer", "unsure", "unlike" or "error". `doubted` answers lie below the user's threshold.
export function kindOf(item) {
  if (item.state === "waiting" || item.state === "asking") return "waiting";
  if (item.reason !== null) return "error";
  if (item.prediction.verdict === UNSURE || item.doubted) return "unsure";
  return item.prediction.verdict === UNFAMILIAR ? "unlike" : "answer";
}

export const KINDS = { waiting: "waiting", unsure: "unsure", unlike: UNFAMILIAR, error: "no answer" };

const PICTURE_NAME = /\.(avif|bmp|gif|heic|heif|jpe?g|mpo|png|tiff?|webp)$/i;
const HEIF_NAME = /\.(heic|heif)$/i;

// Why a picture has no answer, in a sentence that helps; chosen by the code of the error, never by its text.
export function sentence({ code, reason, name, reads = [] }) {
  if (code === "unreadable-picture" && HEIF_NAME.test(name) && !reads.includes("HEIC"))
    return "HEIC pictures cannot be read here. Save it as JPEG first.";
  if (code === "unreadable-picture")
    return PICTURE_NAME.test(name) ? "This file is damaged or incomplete." : "This file is not a picture.";
  if (code === "decoder-lost") return "Reading this file took too long. Try again, or save it as JPEG first.";
  return `${reason.charAt(0).toUpperCase()}${printable(reason).slice(1)}.`;
}

// Likeliest class first. [[name, probability], ...]
export function ranked(probabilities) {
  return Object.entries(probabilities).sort(([, one], [, other]) => other - one);
}

// Never "100 %" of what is a little less, never "0 %" of what is a little more.
export function percent(share) {
  if (share > 0.999 && share < 1) return "> 99.9\u00a0%";
  if (share > 0 && share < 0.001) return "< 0.1\u00a0%";
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

export function mebibytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)}\u00a0MiB`;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en-GB")}\u00a0${number === 1 ? one : many}`;
}

export function spoken(item) {
  const name = printable(item.name);
  const kind = kindOf(item);
  if (kind === "error") return `${name}: no answer. ${sentence(item)}`;
  const [best, probability] = ranked(item.prediction.probabilities)[0];
  const likeliest = `${printable(best)}, ${percent(probability)}`;
  if (kind === "unsure") return `${name}: unsure; likeliest is ${likeliest}.`;
  return kind === "unlike" ? `${name}: unfamiliar.` : `${name}: ${likeliest}.`;
}

// [[key, words, number], ...]: how often each label, and each thing that is none, was the answer; commonest first.
export function tally(items) {
  const counts = new Map();
  for (const item of items) {
    const kind = kindOf(item);
    const key = kind === "answer" ? `label ${item.prediction.label}` : kind;
    const words = kind === "answer" ? printable(item.prediction.label) : KINDS[kind];
    counts.set(key, [key, words, (counts.get(key)?.[2] ?? 0) + 1]);
  }
  const isLabel = ([key]) => key.startsWith("label ");
  return [...counts.values()].sort((one, other) => isLabel(other) - isLabel(one) || other[2] - one[2]);
}
