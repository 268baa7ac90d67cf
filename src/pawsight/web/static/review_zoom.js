// One picture at full size in a dialog: it fits at first, then grows in steps and is scrolled.

import { at } from "./dom.js";

const STEP = 1.5;
const LARGEST = 8; // times the picture's own size

export class Zoom {
  constructor() {
    this.scale = 1; // screen pixels for one of the picture's
    at("larger").addEventListener("click", () => this.resize(this.scale * STEP));
    at("smaller").addEventListener("click", () => this.resize(this.scale / STEP));
    at("fit").addEventListener("click", () => this.fit());
    at("zoom-picture").addEventListener("load", () => this.fit());
    at("zoom-picture").addEventListener("click", () =>
      this.scale === this.fitting() ? this.resize(Math.max(1, STEP * this.scale)) : this.fit(),
    );
    at("zoom").addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {string} address @param {{path: string, label?: string, width: number, height: number}} picture */
  open(address, picture) {
    at("zoom-name").textContent = picture.path;
    at("zoom-picture").alt = picture.label ? `${picture.path}, labelled ${picture.label}` : picture.path;
    at("zoom-picture").src = address;
    at("zoom").showModal();
    at("zoom-frame").focus();
    this.fit();
  }

  // The scale at which the whole picture is seen; a small picture is enlarged no more than fourfold.
  fitting() {
    const frame = at("zoom-frame"),
      image = at("zoom-picture");
    if (!image.naturalWidth) return 1;
    return Math.min(4, frame.clientWidth / image.naturalWidth, frame.clientHeight / image.naturalHeight);
  }

  fit() {
    this.resize(this.fitting());
  }

  /** The middle of what is seen stays in the middle. @param {number} scale */
  resize(scale) {
    const frame = at("zoom-frame"),
      image = at("zoom-picture");
    const middle = [
      (frame.scrollLeft + frame.clientWidth / 2) / frame.scrollWidth,
      (frame.scrollTop + frame.clientHeight / 2) / frame.scrollHeight,
    ];
    this.scale = Math.max(Math.min(this.fitting(), 1), Math.min(scale, LARGEST));
    image.style.width = `${Math.floor(this.scale * image.naturalWidth)}px`;
    frame.scrollLeft = middle[0] * frame.scrollWidth - frame.clientWidth / 2;
    frame.scrollTop = middle[1] * frame.scrollHeight - frame.clientHeight / 2;
    at("zoom-size").textContent = image.naturalWidth ? `${Math.round(100 * this.scale)} %` : "";
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, () => void>} */
    const changes = {
      "+": () => this.resize(this.scale * STEP),
      "=": () => this.resize(this.scale * STEP),
      "-": () => this.resize(this.scale / STEP),
      0: () => this.fit(),
      z: () => at("zoom").close(),
    };
    const change = changes[event.key];
    if (!change || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    change();
  }
}
