// One picture, large: its answer in full, the heat map of a class on request, and what the user says it is.

import { answer, suffix } from "./answer_card.js";
import { at, element, named } from "./dom.js";
import { bars } from "./probability_bars.js";
import { hasLabels, kindOf, messageOf, percent, ranked } from "./words.js";

/** @import {Item, Model} from "./backend.js" */
/**
 * @typedef {object} Calls
 * @property {(item: Item, label: string) => Promise<string>} explain the address of a heat map
 * @property {(item: Item, step: number) => Item | null} near the next item or null
 * @property {(item: Item) => void} judged the user told what it is
 */

/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
const NONE = "none"; // of the choices of a class; numbers are the others

export class Lightbox {
  /** @type {Item} */ item = /** @type {any} */ (null); // until it is opened
  /** @type {Model} */ model = /** @type {any} */ (null);

  /** @param {Calls} calls */
  constructor({ explain, near, judged }) {
    this.explain = explain;
    this.near = near;
    this.judged = judged;
    /** @type {string | null} */
    this.address = null;
    this.hot = false;
    this.dialog = at("lightbox");
    at("lightbox-close").addEventListener("click", () => this.dialog.close());
    at("previous").addEventListener("click", () => this.step(-1));
    at("next").addEventListener("click", () => this.step(1));
    at("heat").addEventListener("click", () => this.heat(!this.hot));
    at("heat-class").addEventListener("change", () => this.heat(true));
    at("heat-strength").addEventListener("input", () => this.strengthen());
    at("right").addEventListener("click", () => this.judge(this.item.prediction.label));
    at("truth").addEventListener("change", () => this.choose(at("truth").value));
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.closed());
  }

  /** @param {Item} item @param {Model} model @param {{hot?: boolean}} options */
  open(item, model, { hot = false } = {}) {
    this.model = model;
    this.hot = hot && model.heatMaps;
    this.show(item);
    if (!this.dialog.open) this.dialog.showModal();
    at("lightbox-title").focus();
  }

  /** @param {number} way */
  step(way) {
    const next = this.near(this.item, way);
    if (next) this.show(next);
  }

  /** @param {Item} item */
  show(item) {
    this.item = item;
    const kind = kindOf(item);
    at("lightbox-file").replaceChildren(named(item.name, { most: 60 }));
    at("lightbox-title").replaceChildren(...answer(item, kind));
    at("lightbox").className = kind;
    at("lightbox-why").replaceChildren(...why(item, kind, this.model));
    at("lightbox-bars").replaceChildren(...bars(item.prediction));
    at("previous").disabled = !this.near(item, -1);
    at("next").disabled = !this.near(item, 1);
    this.ask(item, kind);
    this.picture(item);
    this.choices(item);
    this.heat(this.hot);
  }

  /** @param {Item} item */
  picture(item) {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = item.thumbnail && !item.unseen ? URL.createObjectURL(item.file) : null;
    if (!item.thumbnail) return at("whole").replaceChildren(element("span", { class: "kind" }, suffix(item.name)));
    const { width, height, url } = item.thumbnail;
    const image = element("img", { src: this.address ?? url, alt: "" });
    image.addEventListener(
      "error",
      () => {
        image.src = url;
      },
      { once: true },
    );
    const pair = element("div", { class: "pair" }, image);
    pair.style.aspectRatio = `${width} / ${height}`;
    pair.style.setProperty("--ratio", String(width / height));
    at("whole").replaceChildren(pair);
  }

  /** The backend has made a picture of what this browser cannot show. @param {Item} item */
  seen(item) {
    if (item !== this.item || !this.dialog.open) return;
    this.picture(item);
    this.choices(item);
  }

  /** @param {Item} item */
  choices(item) {
    at("heat-tools").hidden = !(this.model.heatMaps && item.thumbnail);
    const names = ranked(item.prediction.probabilities).map(([name]) => name);
    at("heat-kind").textContent = hasLabels(item) ? "Of the label" : "Of the class";
    at("heat-class").replaceChildren(...names.map((name) => element("option", { value: name }, name)));
    const [said] = item.prediction.labels ?? [item.prediction.label];
    if (names.includes(said)) at("heat-class").value = said;
  }

  /** @param {boolean} wanted */
  async heat(wanted) {
    this.hot = wanted;
    const [item, label] = [this.item, at("heat-class").value];
    at("heat").setAttribute("aria-pressed", String(wanted));
    at("heat-settings").hidden = !wanted;
    at("whole").querySelector(".map")?.remove();
    if (!wanted || at("heat-tools").hidden) return;
    at("heat-told").textContent = "Drawing the heat map\u2026";
    try {
      const address = await this.explain(item, label);
      if (!(this.hot && this.item === item && at("heat-class").value === label)) return;
      at("whole").querySelector(".map")?.remove();
      at("whole")
        .querySelector(".pair")
        ?.append(element("img", { class: "map", src: address, alt: `Where the classifier looked for ${label}` }));
      at("heat-told").replaceChildren(
        "Brighter parts speak more for ",
        named(label, { most: 26 }),
        ". The line surrounds the strongest.",
      );
      this.strengthen();
    } catch (error) {
      at("heat-told").textContent = `There is no heat map. ${messageOf(error)}`;
    }
  }

  strengthen() {
    const map = /** @type {HTMLElement | null} */ (at("whole").querySelector(".map"));
    if (map) map.style.opacity = String(Number(at("heat-strength").value) / 100);
  }

  /** @param {Item} item @param {string} kind */
  ask(item, kind) {
    at("judge").hidden = hasLabels(item); // a label patch has one class a picture
    if (hasLabels(item)) return;
    const isAnswer = kind === "answer";
    at("judge-question").textContent = isAnswer ? "Was this right?" : "What is it?";
    at("right").hidden = !isAnswer;
    at("right").setAttribute("aria-pressed", String(isAnswer && item.truth === item.prediction.label));
    const first = element("option", { value: "" }, isAnswer ? "No, it is\u2026" : "Choose a class\u2026");
    const others = this.model.classes.map((name, place) => element("option", { value: String(place) }, name));
    at("truth").replaceChildren(first, ...others, element("option", { value: NONE }, "None of these"));
    this.tell(item);
    const place = this.model.classes.indexOf(item.truth ?? "");
    at("truth").value =
      item.truth === null ? NONE : place < 0 || (isAnswer && item.truth === item.prediction.label) ? "" : String(place);
  }

  /** Whether the picture is kept, where the server keeps what is labelled. @param {Item} item */
  tell(item) {
    if (item !== this.item) return;
    at("judge-told").textContent = this.model.feedback
      ? (item.saved ?? "Once you answer, the server keeps this picture.")
      : item.truth === undefined
        ? "Your answer stays on this page. “Label patch” above the pictures downloads it for training."
        : "";
  }

  /** @param {string} value */
  choose(value) {
    this.judge(value === "" ? undefined : value === NONE ? null : this.model.classes[Number(value)]);
  }

  /**
   * `truth` is a class, null for none of them, undefined where nothing was said.
   *
   * @param {string | null | undefined} truth
   */
  judge(truth) {
    Object.assign(this.item, { truth, judged: new Date().toISOString().replace(/\.\d+/, "") });
    this.judged(this.item);
    this.ask(this.item, kindOf(this.item));
  }

  /** @param {any} event of the keyboard, on an element */
  key(event) {
    if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const way = STEPS[event.key];
    if (way) this.step(way);
    else if (event.key === "h" && !at("heat-tools").hidden) this.heat(!this.hot);
    else return;
    event.preventDefault();
  }

  closed() {
    if (this.dialog.open) return; // opened again before the event came
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
    at("whole").replaceChildren();
  }
}

/** @param {Item} item @param {string} kind @param {Model} model */
function why(item, kind, model) {
  /** @type {string[]} */
  const said = [];
  if (kind === "unlike")
    said.push("It is unlike the training pictures, or shows none of the classes. The numbers below mean little.");
  if (kind === "unsure" && hasLabels(item))
    said.push(
      `A question mark means: not sure enough whether the picture has this label. At most ${percent(model.maxError ?? 0)} of the sure answers should be wrong.`,
    );
  else if (kind === "unsure" && item.doubted) said.push("The likeliest class is below the threshold that you set.");
  else if (kind === "unsure")
    said.push(
      model.maxError === null
        ? "No class is likely enough."
        : `No class is likely enough: of what is answered, at most ${percent(model.maxError)} should be wrong.`,
    );
  const parts = said.map((text) => element("p", {}, text));
  const names = item.prediction.set ?? [];
  if (names.length > 1) {
    const listed = names.flatMap((/** @type {string} */ name, /** @type {number} */ place) => [
      place ? ", " : "",
      named(name, { most: 26 }),
    ]);
    parts.push(
      element(
        "p",
        { class: "set" },
        "May be ",
        ...listed,
        `. ${percent(model.sets ?? 0)} of such lists hold the true class.`,
      ),
    );
  }
  return parts;
}
