// Which class is the answer, whether it is given, and which classes a picture may be: by the numbers of the bundle, as
// classifier/trust.py decides.

import { UNFAMILIAR, UNSURE } from "./words.js";

/** @import {Verdict} from "./backend.js" */
/** @typedef {{from: number, has_from: number | null, has_not_from: number | null}} Limit a guarantee may be missing */
/**
 * Those of the facts in pawsight.json that decide.
 *
 * @typedef {object} Rules
 * @property {string[]} classes
 * @property {string | null} [none_class]
 * @property {Limit[] | null} [several_labels] of each class, where a picture may have several
 * @property {[truth: number, said: number, cost: number][] | null} [costs]
 * @property {{coverage: number, from_probability: number[]} | null} [sets]
 * @property {number | null} answer_from_probability
 * @property {(number | null)[] | null} [answer_from_probability_by_class]
 * @property {number | null} unlike_anything_seen_above
 */

/**
 * The place of the likeliest class, or with costs of the class of least expected cost.
 *
 * @param {number[]} probabilities
 * @param {Pick<Rules, "costs">} facts
 */
export function answer(probabilities, { costs }) {
  if (!costs) return probabilities.indexOf(Math.max(...probabilities));
  const total = probabilities.reduce((sum, share) => sum + share, 0);
  const expected = probabilities.map((share) => total - share);
  for (const [truth, said, cost] of costs) expected[said] += probabilities[truth] * (cost - (truth === said ? 0 : 1));
  return expected.indexOf(Math.min(...expected));
}

/** @param {number[]} probabilities @param {number | null} unlikeness @param {Rules} facts @returns {Verdict} */
export function decision(probabilities, unlikeness, facts) {
  const {
    answer_from_probability: from,
    answer_from_probability_by_class: each,
    unlike_anything_seen_above: above,
  } = facts;
  const isLike = typeof unlikeness === "number" && above !== null && unlikeness <= above; // a missing or invalid number is not
  if (above !== null && !isLike) return UNFAMILIAR;
  if (facts.several_labels) return labelsOf(probabilities, facts).unsure.length ? UNSURE : "answered";
  const best = answer(probabilities, facts);
  if (facts.none_class && facts.classes[best] === facts.none_class) return UNFAMILIAR;
  if (each) return (each[best] ?? Infinity) <= probabilities[best] ? "answered" : UNSURE;
  return from === null || probabilities[best] >= from ? "answered" : UNSURE;
}

/**
 * Names of the labels that a picture has, and of those of which that is not sure.
 *
 * @param {number[]} probabilities
 * @param {Pick<Rules, "classes" | "several_labels">} facts
 */
export function labelsOf(probabilities, { classes, several_labels: limits }) {
  /** @type {{labels: string[], unsure: string[]}} */
  const found = { labels: [], unsure: [] };
  (limits ?? []).forEach(({ from, has_from: has, has_not_from: hasNot }, place) => {
    const share = probabilities[place];
    const isSure = share >= from ? has !== null && share >= has : hasNot !== null && 1 - share >= hasNot;
    if (!isSure) found.unsure.push(classes[place]);
    else if (share >= from) found.labels.push(classes[place]);
  });
  return found;
}

/**
 * Names of the classes that a picture may be, the likeliest first; null where the bundle has no sets.
 *
 * @param {number[]} probabilities
 * @param {Verdict} said
 * @param {Pick<Rules, "classes" | "sets">} facts
 */
export function setOf(probabilities, said, { classes, sets }) {
  if (!sets || said === UNFAMILIAR) return null;
  const best = probabilities.indexOf(Math.max(...probabilities));
  const places = probabilities
    .map((_, place) => place)
    .filter((place) => place === best || probabilities[place] >= sets.from_probability[place]);
  return places.sort((one, other) => probabilities[other] - probabilities[one]).map((place) => classes[place]);
}
