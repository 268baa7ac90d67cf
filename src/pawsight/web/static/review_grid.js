// Many pictures at once, of the review and the label page: which are selected, and which one the keys are at.

import { at, element } from "./dom.js";

/**
 * @template Cell
 * @typedef {object} Calls
 * @property {(number: number, size: string) => string} address
 * @property {(item: Cell) => {path: string, title: string, spoken: string, note: string, kind: string}} describe what is on
 *   its cell
 * @property {(index: number) => void} opened show it alone
 */

/** @template {{picture: number}} Cell */
export class Grid {
  /** @param {Calls<Cell>} calls */
  constructor({ address, describe, opened }) {
    this.address = address;
    this.describe = describe;
    this.opened = opened;
    /** @type {Cell[]} */
    this.items = [];
    /** @type {Set<number>} */
    this.chosen = new Set();
    this.focused = this.anchor = 0;
    at("grid").addEventListener("click", (event) => this.clicked(event));
    at("grid").addEventListener(
      "dblclick",
      (event) => this.cellOf(event.target) >= 0 && this.opened(this.cellOf(event.target)),
    );
    at("grid").addEventListener("focusin", (event) => this.rove(this.cellOf(event.target)));
  }

  selected() {
    return this.items.filter((item) => this.chosen.has(item.picture));
  }

  /** Lists items anew. @param {Cell[]} items @param {number} focused */
  fill(items, focused) {
    this.items = items;
    this.chosen.clear();
    this.focused = this.anchor = Math.max(0, Math.min(focused, items.length - 1));
    at("grid").replaceChildren(
      ...items.map((item) => {
        const { path, title } = this.describe(item);
        return element(
          "li",
          {},
          element(
            "button",
            { type: "button", title: path },
            element("img", { src: this.address(item.picture, "small"), alt: "", loading: "lazy" }),
            element("b", {}, title),
            element("small"),
          ),
        );
      }),
    );
    this.refresh();
  }

  // What is written on the cells: a decision where there is one, else what is suggested.
  refresh() {
    this.items.forEach((item, index) => {
      const button = this.button(index);
      const { spoken, note, kind } = this.describe(item);
      button.className = kind;
      button.tabIndex = index === this.focused ? 0 : -1;
      button.setAttribute("aria-pressed", String(this.chosen.has(item.picture)));
      button.setAttribute("aria-label", `${index + 1}: ${spoken}${note && `, ${note}`}`);
      /** @type {Element} */ (button.lastElementChild).textContent = note;
    });
    const count = this.chosen.size;
    at("grid-selected").textContent = count ? `${count.toLocaleString("en")} selected` : "None selected";
    at("select-all").textContent = count && count === this.items.length ? "Select none" : "Select all";
    for (const button of document.querySelectorAll("[data-many]")) button.toggleAttribute("disabled", !count);
  }

  /** @param {number} index @param {{range?: boolean}} options */
  toggle(index, { range = false } = {}) {
    const item = this.items[index];
    if (!item) return;
    if (range) {
      const [first, last] = [Math.min(this.anchor, index), Math.max(this.anchor, index)];
      for (const other of this.items.slice(first, last + 1)) this.chosen.add(other.picture);
    } else {
      if (!this.chosen.delete(item.picture)) this.chosen.add(item.picture);
      this.anchor = index;
    }
    this.refresh();
  }

  selectAll() {
    if (this.chosen.size === this.items.length) this.chosen.clear();
    else for (const item of this.items) this.chosen.add(item.picture);
    this.refresh();
  }

  clear() {
    this.chosen.clear();
    this.refresh();
  }

  focus(index = this.focused) {
    this.rove(Math.max(0, Math.min(index, this.items.length - 1)));
    this.button(this.focused)?.focus();
  }

  /** One cell alone is reached by Tab; the arrows go to the others. @param {number} index */
  rove(index) {
    if (index < 0 || !this.items.length) return;
    this.button(this.focused)?.setAttribute("tabindex", "-1");
    this.focused = index;
    this.button(index).setAttribute("tabindex", "0");
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const index = this.cellOf(event.target);
    if (index >= 0) this.toggle(index, { range: event.shiftKey });
  }

  /** @param {EventTarget | null} target */
  cellOf(target) {
    const cell = target instanceof Element ? target.closest("li") : null;
    return cell?.parentElement === at("grid") ? [...at("grid").children].indexOf(/** @type {Element} */ (cell)) : -1;
  }

  /** @param {number} index */
  button(index) {
    return /** @type {HTMLButtonElement} */ (at("grid").children[index]?.firstElementChild);
  }

  columns() {
    return getComputedStyle(at("grid")).gridTemplateColumns.split(" ").length;
  }

  /** Returns whether the key was one of the grid's. Space is a click, as of any button. @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns(), ArrowDown: this.columns() };
    const step = steps[event.key];
    const isOnCell = this.cellOf(event.target) >= 0;
    if (step && this.items[this.focused + step]) {
      this.focus(this.focused + step);
      if (event.shiftKey) this.toggle(this.focused, { range: true });
    } else if (event.key === "Home" || event.key === "End")
      this.focus(event.key === "Home" ? 0 : this.items.length - 1);
    else if (event.key === "a") this.selectAll();
    else if (event.key === "Escape") this.clear();
    else if (event.key === "Enter" && isOnCell) this.opened(this.focused);
    else return Boolean(step);
    return true;
  }
}
