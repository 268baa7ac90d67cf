// Makes elements. Text is always text: nothing here reads a string as markup.

/**
 * What is more than an HTMLElement, by id; the pages' HTML says what each is.
 *
 * @typedef {{
 *   camera: HTMLDialogElement, chooser: HTMLDialogElement, finish: HTMLDialogElement, help: HTMLDialogElement,
 *   lightbox: HTMLDialogElement, share: HTMLDialogElement, token: HTMLDialogElement, zoom: HTMLDialogElement,
 *   "heat-class": HTMLSelectElement, class: HTMLSelectElement, show: HTMLSelectElement, sort: HTMLSelectElement,
 *   of: HTMLSelectElement, truth: HTMLSelectElement,
 *   files: HTMLInputElement, "heat-strength": HTMLInputElement, snapshot: HTMLInputElement,
 *   threshold: HTMLInputElement, "token-word": HTMLInputElement, wanted: HTMLInputElement, name: HTMLInputElement,
 *   next: HTMLButtonElement, previous: HTMLButtonElement, shoot: HTMLButtonElement, watch: HTMLButtonElement,
 *   picture: HTMLImageElement, "share-code": HTMLImageElement, "zoom-picture": HTMLImageElement,
 *   "share-address": HTMLAnchorElement, progress: HTMLProgressElement, video: HTMLVideoElement,
 * }} Kinds
 */

/**
 * The element of an id that the page has.
 *
 * @template {string} Id
 * @param {Id} id
 * @returns {Id extends keyof Kinds ? Kinds[Id] : HTMLElement}
 */
export const at = (id) => /** @type {any} */ (document.getElementById(id));

/** @typedef {Node | string | number | false | null | undefined} Child */

/**
 * Makes an element: element("p", {class: "told", onclick: f, "aria-label": "x", hidden: true}, "text", child, ...).
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, unknown>} given attributes, and listeners under names such as onclick; null and false are left out
 * @param {(Child | Child[])[]} children those that are null or false are left out
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(key.slice(2), /** @type {EventListener} */ (value));
    else if (value === true) made.setAttribute(key, "");
    else made.setAttribute(key, String(value));
  }
  for (const child of children.flat()) {
    if (child || child === 0) made.append(child instanceof Node ? child : String(child));
  }
  return made;
}

/**
 * A drawing of one stroked path, for those who see; those who hear get words beside it.
 *
 * @param {string} path as in the attribute d
 */
export function drawing(path) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/**
 * A name from outside: set apart from the direction of the text around it, shortened in its middle.
 *
 * @param {string} text
 * @param {{most?: number} & Record<string, unknown>} options most signs that are shown, and attributes
 */
export function named(text, { most = 34, ...given } = {}) {
  const plain = printable(text);
  const short = shortened(plain, most);
  return element("bdi", { title: short === plain ? null : plain, ...given }, short);
}

/** @param {unknown} text */
export function printable(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (sign) => (sign === "\u200d" ? sign : "\ufffd"));
}

const segmenter = new Intl.Segmenter(); // made once: it takes longer than all it is asked

/** @param {string} text @param {number} most */
export function shortened(text, most) {
  if (text.length <= most) return text;
  const signs = [...segmenter.segment(text)].map((part) => part.segment);
  if (signs.length <= most) return text;
  const tail = Math.floor(most * 0.4);
  return `${signs.slice(0, most - tail - 1).join("")}\u2026${signs.slice(-tail).join("")}`;
}
