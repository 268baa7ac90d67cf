// The pictures of this session, newest first: shown as cards (answer_card.js), filtered, removed, restored.

import { canExplain, fill, showPicture } from "./answer_card.js";
import { at, element } from "./dom.js";
import { count, kindOf, tally } from "./words.js";

const MOST_CHIPS = 8; // more kinds of answers than that are chosen from a list

export class Gallery {
  constructor(actions) {
    this.actions = actions;
    this.items = [];
    this.model = { heatMaps: false, maxError: null, sets: null, classes: [] };
    this.chosen = "";
    this.cards = new Map();
    this.removed = [];
    this.list = at("gallery");
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  know(model) {
    this.model = model;
    this.items.forEach((item) => this.draw(item));
  }

  add(items) {
    this.items.unshift(...items);
    for (const item of items) this.cards.set(item, element("li"));
    this.list.prepend(...items.map((item) => this.cards.get(item)));
    items.forEach((item) => this.draw(item));
    this.survey();
  }

  draw(item) {
    const card = this.cards.get(item);
    if (!card) return;
    const focused = card.contains(document.activeElement);
    fill(card, item, this.model, this.actions);
    if (focused) card.firstChild.focus();
    this.survey();
  }

  drawPicture(item) {
    if (!this.cards.has(item)) return;
    const explained = canExplain(item, this.model) !== this.cards.get(item).firstChild.firstChild.classList.contains("explained");
    if (explained) this.draw(item);
    else showPicture(this.cards.get(item), item);
  }

  // Leaves: the items taken away, for `restore`.
  remove(items) {
    const focus = this.besides(items);
    this.removed = items.map((item) => [this.items.indexOf(item), item]).sort(([one], [other]) => one - other);
    for (const item of items) {
      this.cards.get(item).remove();
      this.cards.delete(item);
    }
    this.items = this.items.filter((item) => this.cards.has(item));
    this.survey();
    focus?.focus();
  }

  restore() {
    for (const [place, item] of this.removed) {
      this.items.splice(place, 0, item);
      const card = element("li");
      this.cards.set(item, card);
      this.list.insertBefore(card, this.list.children[place] ?? null);
      this.draw(item);
    }
    const back = this.removed.map(([, item]) => item);
    this.removed = [];
    if (back.length) this.cards.get(back[0]).firstChild.focus();
    return back;
  }

  // What has the focus once some cards are gone: the next card, the one before, or the way to new pictures.
  besides(items) {
    if (!items.some((item) => this.cards.get(item).contains(document.activeElement))) return null;
    const gone = new Set(items.map((item) => this.cards.get(item)));
    const left = this.shown().filter((card) => !gone.has(card));
    const here = this.cards.get(items[0]);
    const next = left.find((card) => here.compareDocumentPosition(card) & Node.DOCUMENT_POSITION_FOLLOWING) ?? left.at(-1);
    return next?.firstChild ?? at("choose");
  }

  shown() {
    return [...this.list.children].filter((card) => !card.hidden);
  }

  key(event) {
    const card = event.target.parentElement;
    if (event.target.tagName !== "ARTICLE" || event.ctrlKey || event.metaKey || event.altKey) return;
    const item = this.items.find((one) => this.cards.get(one) === card);
    const cards = this.shown();
    const go = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (go) cards[cards.indexOf(card) + go]?.firstChild.focus();
    else if (event.key === "Delete" || event.key === "Backspace") this.actions.remove(item);
    else if (event.key === "h" && canExplain(item, this.model)) this.actions.heat(item, !item.hot);
    else return;
    event.preventDefault();
  }

  // Count, filters and what they hide, once a frame however many answers come.
  survey() {
    if (this.surveying) return;
    this.surveying = true;
    requestAnimationFrame(() => {
      this.surveying = false;
      this.count();
    });
  }

  count() {
    const kinds = tally(this.items);
    if (!kinds.some(([key]) => key === this.chosen)) this.chosen = "";
    at("answers").hidden = at("keys").hidden = this.items.length === 0;
    document.body.classList.toggle("begun", this.items.length > 0);
    at("answers-title").textContent = count(this.items.length, "picture");
    at("heat-key").hidden = !this.model.heatMaps;
    this.list.classList.toggle("few", this.items.length <= 2);
    this.filters(kinds);
    for (const item of this.items) this.cards.get(item).hidden = this.chosen !== "" && keyOf(item) !== this.chosen;
  }

  filters(kinds) {
    const all = [["", "All", this.items.length], ...kinds];
    const told = JSON.stringify([all, this.chosen]);
    if (told === this.told) return;
    this.told = told;
    const focused = document.activeElement?.dataset?.key;
    at("filters").replaceChildren(...(kinds.length < 2 ? [] : all.length > MOST_CHIPS ? [this.choice(all)] : all.map((one) => this.chip(one))));
    if (focused !== undefined) at("filters").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  chip([key, words, number]) {
    const small = element("small", {}, String(number));
    const given = { type: "button", class: "chip", "data-key": key, "aria-pressed": String(key === this.chosen), onclick: () => this.choose(key) };
    return element("button", given, element("bdi", {}, words), " ", small);
  }

  choice(all) {
    const options = all.map(([key, words, number]) => element("option", { value: key, selected: key === this.chosen }, `${words} (${number})`));
    const given = { "aria-label": "Show", "data-key": "choice", onchange: (event) => this.choose(event.target.value) };
    return element("select", given, options);
  }

  choose(key) {
    this.chosen = key;
    this.survey();
  }
}

function keyOf(item) {
  const kind = kindOf(item);
  return kind === "answer" ? `label ${item.prediction.label}` : kind;
}
