// The pictures of this session: shown as cards (answer_card.js), sorted, filtered, removed, restored.
//
// Cards are drawn a few milliseconds a frame, so that the page answers while a thousand pictures come in.

import { fill, showPicture } from "./answer_card.js";
import { at, element } from "./dom.js";
import { count, kindOf, tally } from "./words.js";

const MOST_CHIPS = 8; // more kinds of answers than that are chosen from a list
const FRAME_MS = 8; // of drawing cards in one frame
const ORDERS = {
  newest: null,
  unsure: (one, other) => confidence(one) - confidence(other),
  sure: (one, other) => confidence(other) - confidence(one),
  name: (one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }),
};

export class Gallery {
  constructor(actions) {
    this.actions = actions;
    this.items = [];
    this.model = { heatMaps: false, maxError: null, sets: null, classes: [] };
    this.chosen = "";
    this.order = "newest";
    this.cards = new Map();
    this.undrawn = new Set();
    this.removed = [];
    this.list = at("gallery");
    this.failed = at("failed");
    at("answers").addEventListener("keydown", (event) => this.key(event));
    at("sort").addEventListener("change", () => this.sort(at("sort").value));
    at("as-list").addEventListener("click", () => this.asList(!this.list.classList.contains("rows")));
  }

  know(model) {
    this.model = model;
    this.items.forEach((item) => this.draw(item));
  }

  add(items) {
    this.items.unshift(...items);
    for (const item of items) this.cards.set(item, element("li", { class: "card waiting" }));
    this.list.prepend(...items.map((item) => this.cards.get(item)));
    items.forEach((item) => this.draw(item));
  }

  draw(item) {
    if (this.cards.has(item)) this.undrawn.add(item);
    this.schedule();
  }

  drawPicture(item) {
    if (this.cards.has(item)) showPicture(this.cards.get(item), item);
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

  drawNow(item) {
    const card = this.cards.get(item);
    if (!card) return;
    const focused = card.contains(document.activeElement);
    fill(card, item, this.actions);
    const list = kindOf(item) === "error" ? this.failed : this.list;
    if (card.parentElement !== list) list.prepend(card);
    if (focused) card.firstChild.focus();
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
    if (back.length) this.cards.get(back[0]).firstChild.focus();
    return back;
  }

  sort(order) {
    this.order = order;
    this.arrange();
  }

  arrange() {
    const by = ORDERS[this.order];
    const items = by ? [...this.items].sort(by) : this.items;
    for (const item of items)
      this.cards.get(item).parentElement === this.failed || this.list.append(this.cards.get(item));
  }

  asList(wanted) {
    this.list.classList.toggle("rows", wanted);
    at("as-list").setAttribute("aria-pressed", String(wanted));
  }

  // The next or previous picture with an answer that is shown; null at the ends.
  near(item, step) {
    const cards = this.shown().filter(
      (card) => card.parentElement === this.list && !card.classList.contains("waiting"),
    );
    const card = cards[cards.indexOf(this.cards.get(item)) + step];
    return (card && this.itemOf(card)) ?? null;
  }

  itemOf(card) {
    return this.items.find((item) => this.cards.get(item) === card);
  }

  // What has the focus once some cards are gone: the next card, the one before, or the way to new pictures.
  besides(items) {
    if (!items.some((item) => this.cards.get(item).contains(document.activeElement))) return null;
    const gone = new Set(items.map((item) => this.cards.get(item)));
    const left = this.shown().filter((card) => !gone.has(card));
    const here = this.cards.get(items[0]);
    const next =
      left.find((card) => here.compareDocumentPosition(card) & Node.DOCUMENT_POSITION_FOLLOWING) ?? left.at(-1);
    return next?.firstChild ?? at("choose");
  }

  shown() {
    return [...this.failed.children, ...this.list.children].filter((card) => !card.hidden && card.firstChild);
  }

  key(event) {
    const card = event.target.parentElement;
    if (event.target.tagName !== "ARTICLE" || event.ctrlKey || event.metaKey || event.altKey) return;
    const item = this.itemOf(card);
    const cards = this.shown();
    const go = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (go) cards[cards.indexOf(card) + go]?.firstChild.focus();
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
    at("heat-key").hidden = !this.model.heatMaps;
    at("working").hidden = waiting === 0;
    at("progress").max = this.items.length;
    at("progress").value = this.items.length - waiting;
    at("left").textContent = `${this.items.length - waiting} of ${this.items.length}`;
    at("patch").hidden = this.model.feedback || !this.items.some((item) => item.truth !== undefined);
    if (waiting === 0 && this.wasWaiting && this.order !== "newest") this.arrange();
    this.wasWaiting = waiting > 0;
    this.list.classList.toggle("few", this.items.length <= 2);
    this.filters(kinds);
    for (const item of this.items) {
      const hidden = this.chosen !== "" && keyOf(item) !== this.chosen;
      const card = this.cards.get(item);
      if (card.hidden !== hidden) card.hidden = hidden;
    }
  }

  filters(kinds) {
    const all = [["", "All", this.items.length], ...kinds];
    const told = JSON.stringify([all, this.chosen]);
    if (told === this.told) return;
    this.told = told;
    const focused = document.activeElement?.dataset?.key;
    at("filters").replaceChildren(
      ...(kinds.length < 2 ? [] : all.length > MOST_CHIPS ? [this.choice(all)] : all.map((kind) => this.chip(kind))),
    );
    if (focused !== undefined)
      at("filters")
        .querySelector(`[data-key="${CSS.escape(focused)}"]`)
        ?.focus();
  }

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

  choice(all) {
    const options = all.map(([key, words, number]) =>
      element("option", { value: key, selected: key === this.chosen }, `${words} (${number})`),
    );
    const given = { "aria-label": "Show", "data-key": "choice", onchange: (event) => this.choose(event.target.value) };
    return element("select", given, options);
  }

  choose(key) {
    this.chosen = key;
    this.count();
  }
}

function keyOf(item) {
  const kind = kindOf(item);
  return kind === "answer" ? `label ${item.prediction.label}` : kind;
}

// Of the likeliest class; what has no probabilities comes last.
function confidence({ prediction }) {
  return prediction?.probabilities ? Math.max(...Object.values(prediction.probabilities)) : 2;
}
