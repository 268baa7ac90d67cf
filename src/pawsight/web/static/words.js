// Numbers and answers as words.

import { printable } from "./dom.js";

/** @import {Item, Labelled} from "./backend.js" */

export const UNSURE = "unsure";
export const UNFAMILIAR = "unfamiliar";

/**
 * What became of one picture. `doubted` answers lie below the user's threshold.
 *
 * @param {Pick<Item, "state" | "reason" | "prediction" | "doubted">} item
 * @returns {"waiting" | "answer" | "unsure" | "unlike" | "error"}
 */
export function kindOf(item) {
  if (item.state === "waiting" || item.state === "asking") return "waiting";
  if (item.reason !== null) return "error";
  if (item.prediction.verdict === UNSURE || item.doubted) return "unsure";
  return item.prediction.verdict === UNFAMILIAR ? "unlike" : "answer";
}

/** Whether a picture may have several labels; its prediction then has `labels` and `unsure`. @param {Pick<Item, "prediction">} item */
export const hasLabels = ({ prediction }) => Array.isArray(prediction?.labels);

export const KINDS = { waiting: "waiting", unsure: "unsure", unlike: UNFAMILIAR, error: "no answer" };

const PICTURE_NAME = /\.(avif|bmp|gif|heic|heif|jpe?g|mpo|png|tiff?|webp)$/i;
const HEIF_NAME = /\.(heic|heif)$/i;

/**
 * Why a picture has no answer, in a sentence that helps; chosen by the code of the error, never by its text.
 *
 * @param {Pick<Item, "code" | "reason" | "name" | "reads">} item
 */
export function sentence({ code, reason, name, reads = [] }) {
  if (code === "unreadable-picture" && HEIF_NAME.test(name) && !reads.includes("HEIC"))
    return "HEIC pictures cannot be read here. Save it as JPEG first.";
  if (code === "unreadable-picture")
    return PICTURE_NAME.test(name) ? "This file is not a picture, or it is damaged." : "This file is not a picture.";
  if (code === "decoder-lost") return "Reading this file took too long. Try again, or save it as JPEG first.";
  return `${reason.charAt(0).toUpperCase()}${printable(reason).slice(1)}.`;
}

/** Likeliest class first: [[name, probability], ...]. @param {Record<string, number>} probabilities */
export function ranked(probabilities) {
  return Object.entries(probabilities).sort(([, one], [, other]) => other - one);
}

/** Never "100 %" of what is a little less, never "0 %" of what is a little more. @param {number} share */
export function percent(share) {
  if (share > 0.999 && share < 1) return "> 99.9\u00a0%";
  if (share > 0 && share < 0.001) return "< 0.1\u00a0%";
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

/** @param {number} bytes */
export function mebibytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)}\u00a0MiB`;
}

/** @param {number} number @param {string} one @param {string} many */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en-GB")}\u00a0${number === 1 ? one : many}`;
}

/** What to tell of whatever was thrown. @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {Item} item */
export function spoken(item) {
  const name = printable(item.name);
  const kind = kindOf(item);
  if (kind === "error") return `${name}: no answer. ${sentence(item)}`;
  const [best, probability] = ranked(item.prediction.probabilities)[0];
  if (hasLabels(item) && kind !== "unlike") return `${name}: ${labelsInWords(item.prediction)}.`;
  const likeliest = `${printable(best)}, ${percent(probability)}`;
  if (kind === "unsure") return `${name}: unsure; likeliest is ${likeliest}.`;
  return kind === "unlike" ? `${name}: unfamiliar.` : `${name}: ${likeliest}.`;
}

/** @param {Labelled} prediction */
function labelsInWords({ labels, unsure }) {
  const has = labels.length ? labels.map(printable).join(", ") : NO_LABEL;
  return unsure.length ? `${has}; unsure: ${unsure.map(printable).join(", ")}` : has;
}

export const NO_LABEL = "no label";

/**
 * By which a picture is counted and found: its answer, each of its labels, or why it has none.
 *
 * @param {Item} item
 * @returns {[key: string, words: string][]}
 */
export function keysOf(item) {
  const kind = kindOf(item);
  if (!hasLabels(item)) {
    return kind === "answer"
      ? [[`label ${item.prediction.label}`, printable(item.prediction.label)]]
      : [[kind, KINDS[kind]]];
  }
  const { labels } = item.prediction;
  /** @type {[string, string][]} */
  const keys = labels.map((/** @type {string} */ label) => [`label ${label}`, printable(label)]);
  if (kind !== "answer") keys.push([kind, KINDS[kind]]);
  return keys.length ? keys : [[NO_LABEL, NO_LABEL]];
}

/**
 * How often each label, and each thing that is none, was the answer; commonest first.
 *
 * @param {Item[]} items
 * @returns {[key: string, words: string, number: number][]}
 */
export function tally(items) {
  /** @type {Map<string, [string, string, number]>} */
  const counts = new Map();
  for (const [key, words] of items.flatMap(keysOf)) counts.set(key, [key, words, (counts.get(key)?.[2] ?? 0) + 1]);
  /** @param {[string, string, number]} row */
  const rank = ([key]) => Number(key.startsWith("label "));
  return [...counts.values()].sort((one, other) => rank(other) - rank(one) || other[2] - one[2]);
}
