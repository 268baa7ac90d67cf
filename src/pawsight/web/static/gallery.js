// The pictures of this session: shown as cards (answer_card.js), sorted, filtered, removed, restored.
//
// Cards are drawn a few milliseconds a frame, so that the page answers while a thousand pictures come in.

import { fill, showPicture } from "./answer_card.js";
import { at, element } from "./dom.js";
import { count, hasLabels, keysOf, kindOf, tally } from "./words.js";

/** @import {Actions} from "./answer_card.js" */
/** @import {Item, Model} from "./backend.js" */
/** @typedef {[key: string, words: string, number: number]} Kind */

const MOST_CHIPS = 8; // more kinds of answers than that are chosen from a list
/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
const FRAME_MS = 8; // of drawing cards in one frame
/** @type {Record<string, ((one: Item, other: Item) => number) | null>} */
const ORDERS = {
  newest: null,
  unsure: (one, other) => confidence(one) - confidence(other),
  sure: (one, other) => confidence(other) - confidence(one),
  name: (one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }),
};

/** @type {Model} */
const NO_MODEL = {
  classes: [],
  recipe: null,
  imagePx: null,
  measured: null,
  maxError: null,
  sets: null,
  detector: null,
  heatMaps: false,
  report: null,
  group: { files: 1, bytes: 0 },
  largest: 0,
};

export class Gallery {
  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    /** @type {Item[]} */
    this.items = [];
    /** @type {Model} that of the backend comes later */
    this.model = NO_MODEL;
    this.chosen = "";
    this.order = "newest";
    /** @type {Map<Item, HTMLElement>} */
    this.cards = new Map();
    /** @type {Set<Item>} */
    this.undrawn = new Set();
    /** @type {[place: number, item: Item][]} */
    this.removed = [];
    this.scheduled = this.wasWaiting = false;
    this.told = "";
    this.list = at("gallery");
    this.failed = at("failed");
    at("answers").addEventListener("keydown", (event) => this.key(event));
    at("sort").addEventListener("change", () => this.sort(at("sort").value));
    at("as-list").addEventListener("click", () => this.asList(!this.list.classList.contains("rows")));
  }

  /** @param {Model} model */
  know(model) {
    this.model = model;
    this.items.forEach((item) => this.draw(item));
  }

  /** @param {Item[]} items */
  add(items) {
    this.items.unshift(...items);
    for (const item of items) this.cards.set(item, element("li", { class: "card waiting" }));
    this.list.prepend(...items.map((item) => this.card(item)));
    items.forEach((item) => this.draw(item));
  }

  /** @param {Item} item */
  draw(item) {
    if (this.cards.has(item)) this.undrawn.add(item);
    this.schedule();
  }

  /** @param {Item} item */
  drawPicture(item) {
    const card = this.cards.get(item);
    if (card) showPicture(card, item);
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => this.frame());
  }

  frame() {
    this.scheduled = false;
    const end = performance.now() + FRAME_MS;
    for (const item of this.undrawn) {
      this.undrawn.delete(item);
      this.drawNow(item);
      if (performance.now() > end) break;
    }
    this.count();
    if (this.undrawn.size) this.schedule();
  }

  /** @param {Item} item */
  drawNow(item) {
    const card = this.cards.get(item);
    if (!card) return;
    const focused = card.contains(document.activeElement);
    fill(card, item, this.actions);
    const list = kindOf(item) === "error" ? this.failed : this.list;
    if (card.parentElement !== list) list.prepend(card);
    if (focused) articleOf(card)?.focus();
  }

  /** Leaves: the items taken away, for `restore`. @param {Item[]} items */
  remove(items) {
    const focus = this.besides(items);
    this.removed = items
      .map((item) => /** @type {[number, Item]} */ ([this.items.indexOf(item), item]))
      .sort(([one], [other]) => one - other);
    for (const item of items) {
      this.card(item).remove();
      this.cards.delete(item);
    }
    this.items = this.items.filter((item) => this.cards.has(item));
    this.count();
    focus?.focus();
  }

  restore() {
    for (const [place, item] of this.removed) {
      this.items.splice(place, 0, item);
      this.cards.set(item, element("li", { class: "card" }));
      this.drawNow(item);
    }
    this.arrange();
    this.count();
    const back = this.removed.map(([, item]) => item);
    this.removed = [];
    if (back.length) articleOf(this.card(back[0]))?.focus();
    return back;
  }

  /** @param {string} order */
  sort(order) {
    this.order = order;
    this.arrange();
  }

  arrange() {
    const by = ORDERS[this.order];
    const items = by ? [...this.items].sort(by) : this.items;
    for (const item of items) if (this.card(item).parentElement !== this.failed) this.list.append(this.card(item));
  }

  /** @param {boolean} wanted */
  asList(wanted) {
    this.list.classList.toggle("rows", wanted);
    at("as-list").setAttribute("aria-pressed", String(wanted));
  }

  /** @param {Item} item that has a card */
  card(item) {
    return /** @type {HTMLElement} */ (this.cards.get(item));
  }

  /**
   * The next or previous picture with an answer that is shown; null at the ends.
   *
   * @param {Item} item
   * @param {number} step
   * @returns {Item | null}
   */
  near(item, step) {
    const cards = this.shown().filter(
      (card) => card.parentElement === this.list && !card.classList.contains("waiting"),
    );
    const card = cards[cards.indexOf(this.card(item)) + step];
    return (card && this.itemOf(card)) ?? null;
  }

  /** @param {HTMLElement} card */
  itemOf(card) {
    return this.items.find((item) => this.cards.get(item) === card);
  }

  /**
   * What has the focus once some cards are gone: the next card, the one before, or the way to new pictures.
   *
   * @param {Item[]} items
   * @returns {HTMLElement | null}
   */
  besides(items) {
    if (!items.some((item) => this.card(item).contains(document.activeElement))) return null;
    const gone = new Set(items.map((item) => this.card(item)));
    const left = this.shown().filter((card) => !gone.has(card));
    const here = this.card(items[0]);
    const next =
      left.find((card) => here.compareDocumentPosition(card) & Node.DOCUMENT_POSITION_FOLLOWING) ?? left.at(-1);
    return articleOf(next) ?? at("choose");
  }

  /** @returns {HTMLElement[]} */
  shown() {
    const cards = /** @type {HTMLElement[]} */ ([...this.failed.children, ...this.list.children]);
    return cards.filter((card) => !card.hidden && card.firstChild);
  }

  /** @param {any} event of the keyboard, on an element */
  key(event) {
    const card = event.target.parentElement;
    if (event.target.tagName !== "ARTICLE" || event.ctrlKey || event.metaKey || event.altKey) return;
    const item = this.itemOf(card);
    const cards = this.shown();
    const go = STEPS[event.key];
    if (!item) return;
    if (go) articleOf(cards[cards.indexOf(card) + go])?.focus();
    else if (event.key === "Delete" || event.key === "Backspace") this.actions.remove(item);
    else if (item.prediction && event.key === "Enter") this.actions.open(item);
    else if (item.prediction && event.key === "h") this.actions.open(item, { hot: true });
    else return;
    event.preventDefault();
  }

  // Numbers, progress, filters and what they hide.
  count() {
    const kinds = tally(this.items);
    const waiting = kinds.find(([key]) => key === "waiting")?.[2] ?? 0;
    if (!kinds.some(([key]) => key === this.chosen)) this.chosen = "";
    at("answers").hidden = at("keys").hidden = this.items.length === 0;
    document.body.classList.toggle("begun", this.items.length > 0);
    at("answers-title").textContent = count(this.items.length, "picture");
    at("view").hidden = this.items.length < 2; // nothing to sort, and one number says whether it is enough
    at("heat-key").hidden = at("opens-heat").hidden = !this.model.heatMaps;
    at("opens-judge").hidden = this.model.severalLabels === true;
    at("opens").hidden = !this.items.some((item) => item.prediction);
    at("working").hidden = waiting === 0;
    at("progress").max = this.items.length;
    at("progress").value = this.items.length - waiting;
    at("left").textContent = `${this.items.length - waiting} of ${this.items.length}`;
    at("threshold-tool").hidden = this.model.severalLabels === true;
    at("patch").hidden = this.model.feedback || !this.items.some((item) => item.truth !== undefined);
    if (waiting === 0 && this.wasWaiting && this.order !== "newest") this.arrange();
    this.wasWaiting = waiting > 0;
    this.list.classList.toggle("few", this.items.length <= 2);
    this.filters(kinds);
    for (const item of this.items) {
      const hidden = this.chosen !== "" && !keysOf(item).some(([key]) => key === this.chosen);
      const card = this.card(item);
      if (card.hidden !== hidden) card.hidden = hidden;
    }
  }

  /** @param {Kind[]} kinds */
  filters(kinds) {
    /** @type {Kind[]} */
    const all = [["", "All", this.items.length], ...kinds];
    const told = JSON.stringify([all, this.chosen]);
    if (told === this.told) return;
    this.told = told;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
    at("filters").replaceChildren(
      ...(kinds.length < 2 ? [] : all.length > MOST_CHIPS ? [this.choice(all)] : all.map((kind) => this.chip(kind))),
    );
    if (focused === undefined) return;
    /** @type {HTMLElement | null} */
    const again = at("filters").querySelector(`[data-key="${CSS.escape(focused)}"]`);
    again?.focus();
  }

  /** @param {Kind} kind */
  chip([key, words, number]) {
    const small = element("small", {}, String(number));
    const given = {
      type: "button",
      class: "chip",
      "data-key": key,
      "aria-pressed": String(key === this.chosen),
      onclick: () => this.choose(key),
    };
    return element("button", given, element("bdi", {}, words), " ", small);
  }

  /** @param {Kind[]} all */
  choice(all) {
    const options = all.map(([key, words, number]) =>
      element("option", { value: key, selected: key === this.chosen }, `${words} (${number})`),
    );
    const given = {
      "aria-label": "Show",
      "data-key": "choice",
      onchange: (/** @type {any} */ event) => this.choose(event.target.value),
    };
    return element("select", given, options);
  }

  /** @param {string} key */
  choose(key) {
    this.chosen = key;
    this.count();
  }
}

/** The part of a card that takes the focus. @param {HTMLElement | undefined} card */
function articleOf(card) {
  return /** @type {HTMLElement | null} */ (card?.firstChild ?? null);
}

/** Of the likeliest class, or of the label that is nearest to neither; what has no probabilities comes last. @param {Item} item */
function confidence(item) {
  if (!item.prediction?.probabilities) return 2;
  /** @type {number[]} */
  const shares = Object.values(item.prediction.probabilities);
  return hasLabels(item) ? Math.min(...shares.map((share) => Math.max(share, 1 - share))) : Math.max(...shares);
}
