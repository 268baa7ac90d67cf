// Shows one picture with its answer: the card, its buttons, its heat map.

import { bars } from "./probability_bars.js";
import { drawing, element, named, printable } from "./dom.js";
import { kindOf, percent, ranked } from "./words.js";

const SIGNS = {
  unsure: "M9 9a3 3 0 1 1 4.2 2.8c-.8.4-1.2 1-1.2 1.9M12 17h.01",
  unlike: "M5 19 19 5M5 12l7-7M12 19l7-7",
  error: "M12 7v6M12 17h.01",
  remove: "M6 6l12 12M18 6 6 18",
};

export function fill(card, item, model, actions) {
  const kind = kindOf(item);
  card.className = `card ${kind}`;
  const title = `title-${item.id}`;
  const article = element("article", { tabindex: "0", "aria-labelledby": title, "aria-busy": kind === "waiting" ? "true" : null });
  article.append(
    picture(item, model, actions),
    element("div", { class: "told" }, named(item.name, { class: "file" }), heading(item, kind, title), ...details(item, kind, model)),
    controls(item, kind, model, actions),
  );
  card.replaceChildren(article);
}

export function showPicture(card, item) {
  card.querySelector(".picture")?.replaceChildren(...layers(item));
  card.querySelector(".heat")?.setAttribute("aria-pressed", String(item.hot));
}

function picture(item, model, actions) {
  const frame = element("div", { class: "picture" }, layers(item));
  if (!canExplain(item, model)) return frame;
  frame.classList.add("explained");
  frame.addEventListener("click", () => actions.heat(item, !item.hot));
  frame.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && actions.hover(item, true));
  frame.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && actions.hover(item, false));
  return frame;
}

function layers(item) {
  if (item.thumbnail === null) return [element("span", { class: "kind" }, item.unseen ? suffix(item.name) : "")];
  item.thumbnail.image ??= element("img", { src: item.thumbnail.url, alt: "" }); // the same again: it must not flicker
  const shown = [item.thumbnail.image];
  if (item.heat && (item.hot || item.hovered)) {
    shown.push(element("img", { src: item.heat.url, class: "map", alt: "Where the classifier looked" }));
  }
  return shown;
}

function suffix(name) {
  const found = /\.([A-Za-z0-9]{1,5})$/.exec(name);
  return found ? found[1].toUpperCase() : "?";
}

function heading(item, kind, id) {
  const title = element("h3", { id });
  if (kind === "waiting") title.append(item.tries ? "Waiting for its turn\u2026" : "Looking\u2026");
  else if (kind === "error") title.append(sign(kind), "No answer");
  else if (kind === "unsure") title.append(sign(kind), "Unsure");
  else if (kind === "unlike") title.append(sign(kind), "Unfamiliar");
  else title.append(named(item.prediction.label, { most: 26 }), " ", element("span", { class: "sure" }, percent(item.prediction.probability)));
  title.append(element("span", { class: "unseen" }, `, ${printable(item.name)}`));
  return title;
}

function sign(kind) {
  return element("span", { class: "sign" }, drawing(SIGNS[kind]));
}

function details(item, kind, model) {
  if (kind === "waiting") return [element("div", { class: "wait", "aria-hidden": "true" })];
  if (kind === "error") return [element("p", { class: "why" }, `${capital(printable(item.reason))}.`)];
  return [why(item, kind, model), within(item, model), ...bars(item.prediction.probabilities)];
}

// The classes that the picture may be, where the classifier says so.
function within(item, model) {
  const names = item.prediction.set ?? null;
  if (names === null) return null;
  const listed = names.flatMap((name, place) => [place ? ", " : "", named(name, { most: 26 })]);
  return element("p", { class: "why set" }, "May be ", ...listed, `. ${percent(model.sets ?? 0)} of such lists hold the true class.`);
}

function why(item, kind, model) {
  const [best, probability] = ranked(item.prediction.probabilities)[0];
  if (kind === "unlike") return element("p", { class: "why" }, "It is unlike the training pictures, or of none of the classes. The numbers below mean little.");
  if (kind === "answer") return null;
  const likeliest = ["Likeliest is ", named(best, { most: 26 }), ` at ${percent(probability)}, which is not sure enough`];
  const promised = model.maxError === null ? "." : `: of what is answered, at most ${percent(model.maxError)} should be wrong.`;
  return element("p", { class: "why" }, likeliest, promised);
}

function controls(item, kind, model, actions) {
  const name = printable(item.name);
  const buttons = element("div", { class: "controls" });
  if (canExplain(item, model)) {
    buttons.append(element("button", { type: "button", class: "quiet heat", "aria-pressed": String(item.hot), onclick: () => actions.heat(item, !item.hot) }, "Heat map", unseen(` of ${name}`)));
  }
  if (kind === "error" && item.again) {
    buttons.append(element("button", { type: "button", class: "quiet", onclick: () => actions.retry(item) }, "Try again", unseen(`, ${name}`)));
  }
  buttons.append(element("button", { type: "button", class: "remove", "aria-label": `Remove ${name}`, title: "Remove", onclick: () => actions.remove(item) }, drawing(SIGNS.remove)));
  return buttons;
}

export function canExplain(item, model) {
  return model.heatMaps && item.thumbnail !== null && item.reason === null && item.prediction !== null;
}

function unseen(words) {
  return element("span", { class: "unseen" }, words);
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
