// Shows one picture with its answer as a card: one number, a click opens it large (lightbox.js).

import { drawing, element, named, printable } from "./dom.js";
import { hasLabels, kindOf, NO_LABEL, percent, ranked, sentence } from "./words.js";

/** @import {Item, Labelled} from "./backend.js" */
/**
 * What a card lets the user do.
 *
 * @typedef {object} Actions
 * @property {(item: Item) => void} remove
 * @property {(item: Item) => void} retry
 * @property {(item: Item, options?: {hot?: boolean}) => void} open shows it large, at once with its heat map where it is hot
 */

/** @type {Record<string, string>} */
const SIGNS = {
  unsure: "M9 9a3 3 0 1 1 4.2 2.8c-.8.4-1.2 1-1.2 1.9M12 17h.01",
  unlike: "M5 19 19 5M5 12l7-7M12 19l7-7",
  error: "M12 7v6M12 17h.01",
  remove: "M6 6l12 12M18 6 6 18",
};

/** @param {HTMLElement} card @param {Item} item @param {Actions} actions */
export function fill(card, item, actions) {
  const kind = kindOf(item);
  card.className = `card ${kind}`;
  const title = `title-${item.id}`;
  const article = element("article", {
    tabindex: "0",
    "aria-labelledby": title,
    "aria-busy": kind === "waiting" ? "true" : null,
  });
  article.append(
    picture(item, kind, actions),
    element(
      "div",
      { class: "told" },
      heading(item, kind, title),
      named(item.name, { class: "file" }),
      ...details(item, kind),
    ),
    ...controls(item, kind, actions),
  );
  card.replaceChildren(article);
}

/** @param {HTMLElement} card @param {Item} item */
export function showPicture(card, item) {
  card.querySelector(".picture")?.replaceChildren(...layers(item));
}

/** @param {Item} item @param {string} kind @param {Actions} actions */
function picture(item, kind, actions) {
  if (kind === "waiting" || kind === "error") return element("div", { class: "picture" }, layers(item));
  return element(
    "button",
    {
      type: "button",
      class: "picture",
      "aria-label": `Open ${printable(item.name)}`,
      onclick: () => actions.open(item),
    },
    layers(item),
  );
}

/** @param {Item} item */
function layers(item) {
  if (item.thumbnail === null) return [element("span", { class: "kind" }, item.unseen ? suffix(item.name) : "")];
  item.thumbnail.image ??= element("img", { src: item.thumbnail.url, alt: "", loading: "lazy", decoding: "async" }); // the same again: it must not flicker
  return [item.thumbnail.image];
}

/** @param {string} name */
export function suffix(name) {
  const found = /\.([A-Za-z0-9]{1,5})$/.exec(name);
  return found ? found[1].toUpperCase() : "?";
}

/** @param {Item} item @param {string} kind @param {string} id */
function heading(item, kind, id) {
  const title = element("h3", { id }, ...answer(item, kind));
  title.append(element("span", { class: "unseen" }, `, ${printable(item.name)}`));
  return title;
}

/** The answer in a few words, with the one number that belongs to it. @param {Item} item @param {string} kind */
export function answer(item, kind = kindOf(item)) {
  if (kind === "waiting") return [item.tries ? "Waiting for its turn\u2026" : "Looking\u2026"];
  if (kind === "error") return [sign(kind), "No answer"];
  if (kind === "unlike") return [sign(kind), "Unfamiliar"];
  if (hasLabels(item)) return [labels(item.prediction, kind)];
  const [best, probability] = ranked(item.prediction.probabilities)[0];
  if (kind === "unsure")
    return [
      sign(kind),
      "Unsure",
      " ",
      element("span", { class: "sure" }, "perhaps ", named(best, { most: 18 }), ` ${percent(probability)}`),
    ];
  return [
    named(item.prediction.label, { most: 26 }),
    " ",
    element("span", { class: "sure" }, percent(item.prediction.probability)),
  ];
}

/**
 * Labels that the picture has, and with a question mark those that it may have.
 *
 * @param {Labelled} prediction
 * @param {string} kind
 */
function labels({ labels: has, unsure }, kind) {
  if (!has.length && !unsure.length) return element("span", { class: "no-label" }, NO_LABEL);
  /** @param {string} label @param {Record<string, string>} given @param {string[]} after */
  const chip = (label, given, ...after) => element("span", given, named(label, { most: 26 }), ...after);
  return element(
    "span",
    { class: "labels" },
    ...(kind === "unsure" ? [sign(kind)] : []),
    ...has.map((label) => chip(label, { class: "label" })),
    ...unsure.map((label) => chip(label, { class: "label perhaps" }, "?")),
  );
}

/** @param {string} kind */
function sign(kind) {
  return element("span", { class: "sign" }, drawing(SIGNS[kind]));
}

/** @param {Item} item @param {string} kind */
function details(item, kind) {
  if (kind === "waiting") return [element("div", { class: "wait", "aria-hidden": "true" })];
  if (kind === "error") return [element("p", { class: "why" }, sentence(item))];
  if (item.truth === undefined) return [];
  const said = item.truth === null ? ["You say: none of these"] : ["You say: ", named(item.truth, { most: 26 })];
  return [element("p", { class: "said" }, said)];
}

/** @param {Item} item @param {string} kind @param {Actions} actions */
function controls(item, kind, actions) {
  const name = printable(item.name);
  const again = element(
    "button",
    { type: "button", class: "quiet", onclick: () => actions.retry(item) },
    "Try again",
    element("span", { class: "unseen" }, `, ${name}`),
  );
  const remove = element(
    "button",
    {
      type: "button",
      class: "remove",
      "aria-label": `Remove ${name}`,
      title: "Remove",
      onclick: () => actions.remove(item),
    },
    drawing(SIGNS.remove),
  );
  return kind === "error" && item.again ? [again, remove] : [remove];
}
