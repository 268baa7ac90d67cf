// Probabilities as bars, likeliest first; many classes fold away behind the first five.

import { element, named } from "./dom.js";
import { percent, ranked } from "./words.js";

const SHOWN = 5;

/** @param {Record<string, number>} probabilities */
export function bars(probabilities) {
  const rows = ranked(probabilities);
  const few = rows.length <= SHOWN + 1; // never a fold for a single one
  const first = list(few ? rows : rows.slice(0, SHOWN), "Probabilities");
  return few ? [first] : [first, folded(rows)];
}

/** @param {[string, number][]} rows */
function folded(rows) {
  const rest = element("details", { class: "rest" }, element("summary", {}, `All ${rows.length} classes`));
  rest.addEventListener("toggle", () => {
    if (rest.open && rest.children.length === 1)
      rest.append(list(rows.slice(SHOWN), "Less likely classes", { tabindex: "0" }));
  });
  return rest;
}

/** @param {[string, number][]} rows @param {string} label @param {Record<string, unknown>} given */
function list(rows, label, given = {}) {
  // what scrolls must be within the keyboard's reach
  return element("ol", { class: "bars", "aria-label": label, ...given }, rows.map(row));
}

/** @param {[string, number]} row */
function row([name, probability]) {
  const fill = element("span");
  fill.style.inlineSize = `${(100 * probability).toFixed(2)}%`;
  const share = element("span", { class: "share" }, percent(probability));
  return element(
    "li",
    {},
    named(name, { most: 22, class: "of" }),
    share,
    element("span", { class: "bar", "aria-hidden": "true" }, fill),
  );
}
