// Probabilities as bars, likeliest first; many classes fold away behind the first five.

import { element, named } from "./dom.js";
import { percent, ranked } from "./words.js";

/** @typedef {[name: string, probability: number, isChosen: boolean]} Row */

const SHOWN = 5;

/**
 * `labels` are those that the picture has, of a classifier with several; null of any other.
 *
 * @param {{probabilities: Record<string, number>, labels?: string[] | null}} prediction
 */
export function bars({ probabilities, labels = null }) {
  /** @type {Row[]} */
  const rows = ranked(probabilities).map(([name, probability]) => [name, probability, labels?.includes(name) ?? false]);
  const few = rows.length <= SHOWN + 1; // never a fold for a single one
  const given = labels ? { class: "bars of-labels" } : {};
  const first = list(few ? rows : rows.slice(0, SHOWN), "Probabilities", given);
  return few ? [first] : [first, folded(rows, labels ? "labels" : "classes", given)];
}

/** @param {Row[]} rows @param {string} things @param {Record<string, unknown>} given */
function folded(rows, things, given) {
  const rest = element("details", { class: "rest" }, element("summary", {}, `All ${rows.length} ${things}`));
  rest.addEventListener("toggle", () => {
    if (rest.open && rest.children.length === 1)
      rest.append(list(rows.slice(SHOWN), `Less likely ${things}`, { ...given, tabindex: "0" }));
  });
  return rest;
}

/** @param {Row[]} rows @param {string} label @param {Record<string, unknown>} given */
function list(rows, label, given = {}) {
  // what scrolls must be within the keyboard's reach
  return element("ol", { class: "bars", "aria-label": label, ...given }, rows.map(row));
}

/** @param {Row} row */
function row([name, probability, isChosen]) {
  const fill = element("span");
  fill.style.inlineSize = `${(100 * probability).toFixed(2)}%`;
  const share = element("span", { class: "share" }, percent(probability));
  return element(
    "li",
    isChosen ? { class: "chosen" } : {},
    named(name, { most: 22, class: "of" }),
    share,
    element("span", { class: "bar", "aria-hidden": "true" }, fill),
  );
}
