// The review page: shows one picture at a time, and sends each decision at once. It loads no other script.
"use strict";

const byId = (id) => document.getElementById(id);
const store = { board: null, decided: new Map(), section: 0, list: [], at: 0, past: [], sending: Promise.resolve() };
const MOST_ON_FILM = 400; // thumbnails; of longer lists those around the current one are shown

const pictureOf = (number) => store.board.pictures[number];
const address = (number, size) => `picture/${number}/${size}`;
const percent = (share) => (share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);
const many = (count, one, more) => `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
const current = () => store.list[store.at];

function made(tag, properties = {}, ...inside) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...inside);
  return element;
}

async function begin() {
  const answer = await fetch("state");
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The page could not be fetched (${answer.status}).`);
  const { board, decided } = await answer.json();
  store.board = board;
  store.decided = new Map(Object.entries(decided).map(([number, one]) => [Number(number), one]));
  byId("run").textContent = board.name;
  document.title = `Review of ${board.name}`;
  byId("command").textContent = board.command;
  byId("patch").textContent = board.patch;
  byId("class").append(made("option", { value: "", textContent: "every class" }),
    ...board.classes.map((name) => made("option", { value: name, textContent: name })));
  byId("tabs").append(...board.sections.map(tabOf));
  byId("loading").hidden = true;
  const first = board.sections.findIndex((one) => one.items.length);
  openSection(first < 0 ? 0 : first);
}

function tabOf(section, index) {
  const tab = made("button", { type: "button", id: `tab-${section.key}`, onclick: () => openSection(index) },
    section.title, made("small"));
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-controls", "main");
  return tab;
}

function openSection(index) {
  store.section = index;
  refill();
}

// Which items are listed is decided here alone: a decision marks its item and leaves the list as it is.
function refill() {
  const wanted = byId("show").value, label = byId("class").value;
  const fits = {
    all: () => true,
    open: (item) => !store.decided.has(item.picture),
    suspect: (item) => item.suspect,
    decided: (item) => store.decided.has(item.picture),
  }[wanted];
  store.list = store.board.sections[store.section].items.filter(
    (item) => fits(item) && (!label || pictureOf(item.picture).label === label));
  const open = store.list.findIndex((item) => !store.decided.has(item.picture));
  go(wanted === "decided" ? 0 : open < 0 ? store.list.length : open);
}

function go(at) {
  if (at !== store.at) window.scrollTo(0, 0); // on a phone the picture comes first again
  store.at = Math.max(0, Math.min(at, store.list.length));
  show();
}

function show() {
  const item = current();
  showTabs();
  byId("desk").hidden = !item;
  byId("done").hidden = Boolean(item);
  if (item) showItem(item); else showDone();
  showFilm();
}

function showTabs() {
  store.board.sections.forEach((section, index) => {
    const tab = byId(`tab-${section.key}`), isOpen = index === store.section;
    const left = section.items.filter((item) => !store.decided.has(item.picture)).length;
    tab.setAttribute("aria-selected", String(isOpen));
    tab.tabIndex = isOpen ? 0 : -1;
    const against = section.items.filter((item) => item.suspect).length;
    if (section.key === "labels") tab.title = `${section.items.length} to look at; ${against} with more against the label than for it`;
    tab.lastChild.textContent = left ? left.toLocaleString("en") : "\u2713";
    if (isOpen) byId("main").setAttribute("aria-labelledby", tab.id);
  });
  const decided = store.list.filter((item) => store.decided.has(item.picture)).length;
  const meter = byId("meter");
  meter.setAttribute("aria-valuemax", String(store.list.length));
  meter.setAttribute("aria-valuenow", String(decided));
  meter.firstElementChild.style.transform = `scaleX(${store.list.length ? decided / store.list.length : 0})`;
}

function showItem(item) {
  const one = pictureOf(item.picture), classes = store.board.classes, key = store.board.sections[store.section].key;
  const image = byId("picture");
  image.onload = () => { byId("gone").hidden = true; };
  image.onerror = () => { byId("gone").hidden = false; };
  image.src = address(item.picture, "large");
  image.alt = `${one.path}, labelled ${one.label}`;
  byId("path").textContent = one.path;
  byId("facts").textContent = `${one.part}, ${one.width} x ${one.height}`;
  const decided = store.list.filter((other) => store.decided.has(other.picture)).length;
  byId("count").textContent = `${store.at + 1} of ${store.list.length.toLocaleString("en")}, ${decided} decided`;
  byId("below").hidden = item.suspect || key !== "labels";
  showQuestion(item, one, key);
  showOpinion(item, one);
  byId("reason").textContent = item.reason.charAt(0).toUpperCase() + item.reason.slice(1) + ".";
  showActions(item, one);
  byId("beside-title").textContent = key === "duplicates" ? "The same picture" : "Most similar pictures, and what they are called";
  byId("beside").replaceChildren(...item.beside.map((near) => besideOf(near, one, classes[item.suggested])));
  const next = store.list[store.at + 1];
  if (next) new Image().src = address(next.picture, "large");
}

function showQuestion(item, one, key) {
  const named = (name) => made("em", { textContent: name });
  const parts = {
    labels: ["Labelled ", named(one.label), ". The classifier suggests ", named(store.board.classes[item.suggested]), "."],
    duplicates: ["Labelled ", named(one.label), ". The same picture is here more than once."],
    odd: ["Labelled ", named(one.label), ". It differs from the other pictures of this class."],
  };
  byId("question").replaceChildren(...parts[key]);
}

function showOpinion(item, one) {
  const rows = item.given_probability === null ? [] : [
    [one.label, "given", item.given_probability, ""],
    [store.board.classes[item.suggested], "suggested", item.suggested_probability, "against"],
  ];
  byId("opinion").replaceChildren(...rows.flatMap(([name, told, share, kind]) => {
    const fill = made("span");
    fill.style.transform = `scaleX(${share})`;
    return [made("b", {}, name, made("small", { textContent: told })), made("span", { className: `bar ${kind}` }, fill),
      made("span", { textContent: percent(share) })];
  }));
}

function showActions(item, one) {
  const classes = store.board.classes, done = store.decided.get(item.picture);
  const suggestion = item.label ?? item.suggested;
  byId("keep-as").textContent = one.label;
  byId("relabel-as").textContent = classes[suggestion];
  for (const button of byId("actions").children) {
    const action = button.dataset.do;
    const isChosen = done?.action === action && (action !== "relabel" || done.label === classes[suggestion]);
    button.className = `${action === item.action ? "best" : ""} ${isChosen ? "chosen" : ""}`;
    button.setAttribute("aria-pressed", String(isChosen));
  }
  const stamp = byId("stamp");
  stamp.hidden = !done;
  stamp.className = done?.action ?? "";
  stamp.textContent = done ? { keep: "kept", drop: "dropped", relabel: `now ${done.label}` }[done.action] : "";
  byId("classes").replaceChildren(...classButtons(one));
}

// With two classes the large button says it all; of many the first nine have keys and the others are found by name.
function classButtons(one) {
  const classes = store.board.classes;
  if (classes.length === 2) return [];
  const some = classes.slice(0, 9).map((name, index) => made("button",
    { type: "button", onclick: () => relabel(name), disabled: name === one.label }, made("kbd", { textContent: index + 1 }), ` ${name}`));
  const more = made("button", { type: "button", onclick: openChooser }, made("kbd", { textContent: "/" }),
    classes.length > 9 ? ` ${classes.length - 9} more` : " by name");
  return [...some, more];
}

function besideOf(near, one, suggested) {
  const other = pictureOf(near.picture);
  const image = made("img", { src: address(near.picture, "small"), alt: `${other.path}, labelled ${other.label}`, loading: "lazy" });
  return made("li", { className: other.label === suggested && other.label !== one.label ? "against" : "", title: other.path },
    image, made("b", { textContent: other.label }), made("span", { textContent: `${near.note}, ${other.part}` }));
}

function showDone() {
  const section = store.board.sections[store.section], left = store.list.filter((item) => !store.decided.has(item.picture)).length;
  const counts = { relabel: 0, drop: 0, keep: 0 };
  for (const one of store.decided.values()) counts[one.action] += 1;
  const title = !store.list.length ? "Nothing to show here" : left ? `${many(left, "picture", "pictures")} skipped` : `${section.title}: all decided`;
  byId("done-title").textContent = title;
  byId("done-told").textContent = `So far ${counts.relabel} relabelled, ${counts.drop} dropped and ${counts.keep} kept, in all sections.`;
  const after = store.board.sections[(store.section + 1) % store.board.sections.length];
  byId("done-section").textContent = after.title;
  byId("done-next").hidden = byId("command").parentElement.hidden = !store.decided.size;
}

function showFilm() {
  const start = Math.max(0, Math.min(store.at - MOST_ON_FILM / 2, store.list.length - MOST_ON_FILM));
  const items = store.list.slice(start, start + MOST_ON_FILM);
  const film = byId("film"), identity = items.map((item) => item.picture).join();
  if (film.dataset.shows !== identity) {
    film.dataset.shows = identity;
    film.replaceChildren(...items.map((item) => made("li", {}, made("button", { type: "button" },
      made("img", { src: address(item.picture, "small"), alt: pictureOf(item.picture).path, loading: "lazy" })))));
  }
  [...film.children].forEach((cell, index) => {
    const done = store.decided.get(items[index].picture), button = cell.firstElementChild;
    button.className = done ? `decided ${done.action}` : "";
    button.onclick = () => go(start + index);
    button.setAttribute("aria-current", String(start + index === store.at));
    button.setAttribute("aria-label", `${start + index + 1}: ${pictureOf(items[index].picture).label}${done ? `, ${done.action}` : ""}`);
  });
  const cell = film.children[store.at - start], strip = film.parentElement;
  if (cell) strip.scrollLeft = cell.offsetLeft - strip.clientWidth / 2 + cell.clientWidth / 2;
}

function keep() { decide({ action: "keep", label: "" }, "Kept"); }
function drop() { decide({ action: "drop", label: "" }, "Dropped"); }

function relabel(label) {
  const item = current();
  if (!item || !label) return;
  if (label === pictureOf(item.picture).label) keep();
  else decide({ action: "relabel", label }, `Relabelled to ${label}`);
}

function suggested() {
  const item = current();
  return item && store.board.classes[item.label ?? item.suggested];
}

function take() {
  const action = current()?.action;
  if (action === "relabel") relabel(suggested());
  else if (action) ({ keep, drop })[action]();
}

function decide(one, told) {
  const item = current();
  if (!item) return;
  const before = store.decided.get(item.picture);
  store.past.push({ picture: item.picture, one, before, section: store.section });
  store.decided.set(item.picture, one);
  send(item.picture, one, before);
  const next = store.list.findIndex((other, index) => index > store.at && !store.decided.has(other.picture));
  go(next < 0 ? store.at + 1 : next);
  speak(told);
}

function undo() {
  let last = store.past.pop();
  while (last && store.decided.get(last.picture) !== last.one) last = store.past.pop(); // it was not kept
  if (!last) return speak("Nothing to undo");
  if (last.before) store.decided.set(last.picture, last.before); else store.decided.delete(last.picture);
  send(last.picture, last.before ?? { action: "undo", label: "" }, last.one, last.one);
  if (store.section !== last.section) openSection(last.section);
  const at = store.list.findIndex((item) => item.picture === last.picture);
  if (at < 0) refill(); else go(at);
  speak("Undone");
}

// One after another, so that the file ends with the last decision whatever the network does. The server says when a
// decision was made; what is undone is named with it, so that no decision of another session is undone.
function send(picture, one, before, undone) {
  store.sending = store.sending.then(async () => {
    try {
      const answer = await fetch("decision", { method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ picture, action: one.action, label: one.label, undone }) });
      const told = await answer.json();
      if (!answer.ok) throw Object.assign(new Error(told.error ?? answer.statusText), { stands: told.decision });
      one.when = told.decision.when;
      byId("alert").hidden = true;
    } catch (error) {
      const stands = error.stands === undefined ? before : error.stands;
      if (stands) store.decided.set(picture, stands); else store.decided.delete(picture);
      const why = error instanceof TypeError ? "the page was ended in the terminal" : error.message;
      byId("alert").textContent = `The last decision was not kept: ${why}`;
      byId("alert").hidden = false;
      show();
    }
  });
}

function speak(told) {
  const item = current(), one = item && pictureOf(item.picture);
  byId("spoken").textContent = one ? `${told}. ${store.at + 1} of ${store.list.length}: called ${one.label}. ${item.reason}.` : `${told}. End of the list.`;
}

function openChooser() {
  if (!current()) return;
  byId("wanted").value = "";
  fillChooser();
  byId("chooser").showModal();
  byId("wanted").focus();
}

function fillChooser() {
  const wanted = byId("wanted").value.toLocaleLowerCase();
  const names = store.board.classes.filter((name) => name.toLocaleLowerCase().includes(wanted));
  byId("found").replaceChildren(...names.map((name, index) => made("li", {}, made("button",
    { type: "button", textContent: name, className: index ? "" : "first", onclick: () => choose(name) }))));
}

function choose(name) {
  byId("chooser").close();
  if (name) relabel(name);
}

const move = (step) => () => { go(store.at + step); speak("Moved"); };
const turn = (step) => () => openSection((store.section + step + store.board.sections.length) % store.board.sections.length);
const deeds = {
  keep, drop, undo, relabel: () => relabel(suggested()), back: move(-1), next: move(1), section: () => turn(1)(),
};
const keys = {
  k: keep, r: deeds.relabel, d: drop, u: undo, Enter: take, ArrowLeft: move(-1), ArrowRight: move(1), "[": turn(-1), "]": turn(1),
  "/": openChooser, "?": () => byId("help").showModal(),
};

function pressed(event) {
  if (!store.board || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const target = event.target, isField = target.matches?.("select, input");
  if (isField || (event.key === "Enter" && target.matches?.("button"))) return; // the browser does what is meant
  const inTabs = target.getAttribute?.("role") === "tab" && event.key.startsWith("Arrow");
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const digit = /^[1-9]$/.test(event.key) ? store.board.classes[Number(event.key) - 1] : null;
  const deed = inTabs ? turn(event.key === "ArrowLeft" ? -1 : 1) : digit ? () => relabel(digit) : keys[name];
  if (!deed || (event.repeat && !event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  deed();
  if (inTabs) byId(`tab-${store.board.sections[store.section].key}`).focus();
}

document.addEventListener("keydown", pressed);
document.addEventListener("click", (event) => deeds[event.target.closest("[data-do]")?.dataset.do]?.());
byId("show").addEventListener("change", refill);
byId("class").addEventListener("change", refill);
byId("help-button").addEventListener("click", () => byId("help").showModal());
byId("wanted").addEventListener("input", fillChooser);
byId("wanted").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  const first = byId("found").querySelector("button");
  if (first) choose(first.textContent);
});
begin().catch((error) => { byId("loading").textContent = error.message; });
