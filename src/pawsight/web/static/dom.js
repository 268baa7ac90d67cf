// Makes elements. Text is always text: nothing here reads a string as markup.

export const at = (id) => document.getElementById(id);

// element("p", {class: "told", onclick: f, "aria-label": "x", hidden: true}, "text", child, ...)
export function element(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

// A drawing of one stroked path, for those who see; those who hear get words beside it.
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

// A name from outside: set apart from the direction of the text around it, shortened in its middle.
export function named(text, { most = 34, ...given } = {}) {
  const plain = printable(text);
  const short = shortened(plain, most);
  return element("bdi", { title: short === plain ? null : plain, ...given }, short);
}

export function printable(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (sign) => (sign === "\u200d" ? sign : "\ufffd"));
}

const segmenter = new Intl.Segmenter(); // made once: it takes longer than all it is asked

export function shortened(text, most) {
  if (text.length <= most) return text;
  const signs = [...segmenter.segment(text)].map((part) => part.segment);
  if (signs.length <= most) return text;
  const tail = Math.floor(most * 0.4);
  return `${signs.slice(0, most - tail - 1).join("")}\u2026${signs.slice(-tail).join("")}`;
}
