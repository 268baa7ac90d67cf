// The review page: shows one picture at a time, or many in a grid, and sends each decision at once.

import { at as byId, element } from "./dom.js";
import { Grid } from "./review_grid.js";
import { Zoom } from "./review_zoom.js";
import { count, messageOf, percent } from "./words.js";

/** @typedef {{path: string, label: string, part: string, width: number, height: number}} Picture */
/** @typedef {{action: string, label: string, when?: string}} Decision keep, drop or relabel; undo takes one back */
/** @typedef {{picture: number, decision: Decision, before: Decision | undefined}} Change */
/** @typedef {{key: "labels" | "duplicates" | "odd", title: string, items: Entry[]}} Section */
/**
 * A picture to decide about; classes are places in the board's.
 *
 * @typedef {object} Entry
 * @property {number} picture
 * @property {boolean} suspect
 * @property {string} action what is proposed
 * @property {number | null} label what it would be relabelled to
 * @property {string} reason
 * @property {{picture: number, note: string}[]} beside
 * @property {number} suggested
 * @property {number | null} given_probability
 * @property {number | null} suggested_probability
 */
/**
 * @typedef {object} Board
 * @property {string} name
 * @property {string} patch
 * @property {string} command
 * @property {string[]} classes
 * @property {Record<number, Picture>} pictures
 * @property {Section[]} sections
 */
/**
 * @typedef {object} Store
 * @property {Board} board
 * @property {Map<number, Decision>} decided
 * @property {number} section
 * @property {Entry[]} list
 * @property {number} at
 * @property {{changes: Change[], section: number}[]} past
 * @property {Promise<void>} sending
 * @property {number} unsent
 * @property {boolean} inGrid
 */

// `past` has what undo takes back: the changes that were made together, the latest last.
/** @type {Store} */
const store = {
  board: /** @type {any} */ (null), // until begin() has it
  decided: new Map(),
  section: 0,
  list: [],
  at: 0,
  past: [],
  sending: Promise.resolve(),
  unsent: 0,
  inGrid: false,
};
const MOST_ON_FILM = 400; // thumbnails; of longer lists those around the current one are shown

/** @param {number} number @returns {Picture} */
const pictureOf = (number) => store.board.pictures[number];
/** @param {number} number @param {string} size */
const address = (number, size) => `picture/${number}/${size}`;
/** @returns {Entry | undefined} */
const current = () => store.list[store.at];
/** @param {Entry} item */
const isOpen = (item) => !store.decided.has(item.picture);
/** @param {Entry} item */
const suggestedOf = (item) => store.board.classes[item.label ?? item.suggested];

const zoom = new Zoom();
const grid = new Grid({
  address,
  describe,
  opened: (index) => {
    store.at = index;
    turnView();
  },
});

/** A decision as it is written on a picture. @param {Decision} decision */
function written({ action, label }) {
  return { keep: "kept", drop: "dropped" }[action] ?? `now ${label}`;
}

/** What is on a picture's cell of the grid: a decision where there is one, else what is suggested. @param {Entry} item */
function describe(item) {
  const { path, label } = pictureOf(item.picture);
  const decision = store.decided.get(item.picture);
  const suggestion = suggestedOf(item);
  const note = decision ? written(decision) : suggestion === label ? "" : `suggested: ${suggestion}`;
  const kind = decision ? `decided ${decision.action}` : "";
  return { path, title: label, spoken: `${path}, labelled ${label}`, note, kind };
}

async function begin() {
  const answer = await fetch("state");
  if (!answer.ok)
    throw new Error(
      (await answer.json().catch(() => ({}))).error ?? `The page could not be fetched (${answer.status}).`,
    );
  const { board, decided } = /** @type {{board: Board, decided: Record<string, Decision>}} */ (await answer.json());
  store.board = board;
  store.decided = new Map(Object.entries(decided).map(([number, decision]) => [Number(number), decision]));
  byId("run").textContent = board.name;
  document.title = `Review of ${board.name}`;
  byId("command").textContent = board.command;
  byId("patch").textContent = board.patch;
  byId("class").append(
    element("option", { value: "" }, "every class"),
    ...store.board.classes.map((name) => element("option", { value: name }, name)),
  );
  byId("tabs").append(...board.sections.map(tabOf));
  byId("loading").hidden = true;
  const first = store.board.sections.findIndex((section) => section.items.length);
  openSection(Math.max(first, 0));
}

/** @param {Section} section @param {number} index */
function tabOf(section, index) {
  return element(
    "button",
    {
      type: "button",
      id: `tab-${section.key}`,
      role: "tab",
      "aria-controls": "panel",
      onclick: () => openSection(index),
    },
    section.title,
    element("small"),
  );
}

/** @param {number} index */
function openSection(index) {
  store.section = index;
  refill();
}

// Which items are listed is decided here alone: a decision marks its item and leaves the list as it is.
function refill() {
  const wanted = byId("show").value,
    label = byId("class").value;
  /** @type {Record<string, (item: Entry) => boolean>} */
  const filters = { all: () => true, open: isOpen, suspect: (item) => item.suspect, decided: (item) => !isOpen(item) };
  store.list = store.board.sections[store.section].items.filter(
    (item) => filters[wanted](item) && (!label || pictureOf(item.picture).label === label),
  );
  const open = store.list.findIndex(isOpen);
  go(wanted === "decided" ? 0 : open < 0 ? store.list.length : open);
}

/** @param {number} at */
function go(at) {
  if (at !== store.at) window.scrollTo(0, 0); // on a phone the picture comes first again
  store.at = Math.max(0, Math.min(at, store.list.length));
  show();
}

function show() {
  const item = current();
  showTabs();
  if (store.inGrid && grid.items !== store.list) grid.fill(store.list, store.at);
  const showsGrid = store.inGrid && store.list.length > 0;
  byId("desk").hidden = !item || showsGrid;
  byId("done").hidden = Boolean(item) || showsGrid;
  byId("grid-view").hidden = !showsGrid;
  byId("film").parentElement?.toggleAttribute("hidden", showsGrid);
  byId("grid-button").setAttribute("aria-pressed", String(store.inGrid));
  if (showsGrid) return showGrid();
  if (item) showItem(item);
  else showDone();
  showFilm();
}

function showGrid() {
  byId("grid-count").textContent =
    `${count(store.list.length, "picture")}, ${store.list.filter((item) => !isOpen(item)).length} decided`;
  grid.refresh();
}

// From one picture to the grid, or from the grid to the picture that its keys are at.
function turnView() {
  store.inGrid = !store.inGrid;
  show();
  if (store.inGrid) grid.focus(store.at);
  else byId(current() ? "question" : "done-title").focus();
}

function showTabs() {
  store.board.sections.forEach((section, index) => {
    const tab = byId(`tab-${section.key}`),
      isShown = index === store.section;
    const left = section.items.filter(isOpen).length;
    tab.setAttribute("aria-selected", String(isShown));
    tab.tabIndex = isShown ? 0 : -1;
    const against = section.items.filter((item) => item.suspect).length;
    if (section.key === "labels")
      tab.title = `${section.items.length} to look at; ${against} with more against the label than for it`;
    /** @type {Node} */ (tab.lastChild).textContent = left ? left.toLocaleString("en") : "\u2713";
    if (isShown) byId("panel").setAttribute("aria-labelledby", tab.id);
  });
  const decided = store.list.filter((item) => !isOpen(item)).length;
  const meter = byId("meter");
  meter.setAttribute("aria-valuemax", String(store.list.length));
  meter.setAttribute("aria-valuenow", String(decided));
  const bar = /** @type {HTMLElement} */ (meter.firstElementChild);
  bar.style.transform = `scaleX(${store.list.length ? decided / store.list.length : 0})`;
}

/** @param {Entry} item */
function showItem(item) {
  const picture = pictureOf(item.picture),
    classes = store.board.classes,
    key = store.board.sections[store.section].key;
  const image = byId("picture");
  image.onload = () => {
    byId("gone").hidden = true;
  };
  image.onerror = () => {
    byId("gone").hidden = false;
  };
  image.src = address(item.picture, "large");
  image.alt = `${picture.path}, labelled ${picture.label}`;
  byId("path").textContent = picture.path;
  byId("enlarge").setAttribute("aria-label", `Full size: ${picture.path}, labelled ${picture.label}`);
  byId("facts").textContent = `${picture.part}, ${picture.width} x ${picture.height}`;
  const decided = store.list.filter((other) => !isOpen(other)).length;
  byId("count").textContent = `${store.at + 1} of ${store.list.length.toLocaleString("en")}, ${decided} decided`;
  byId("below").hidden = item.suspect || key !== "labels";
  showQuestion(item, picture, key);
  showOpinion(item, picture);
  byId("reason").textContent = `${item.reason.charAt(0).toUpperCase() + item.reason.slice(1)}.`;
  showActions(item, picture);
  byId("beside-title").textContent =
    key === "duplicates" ? "The same picture" : "Most similar pictures, and what they are called";
  byId("beside").replaceChildren(...item.beside.map((near) => besideOf(near, picture, classes[item.suggested])));
  const next = store.list[store.at + 1];
  if (next) new Image().src = address(next.picture, "large");
}

/** @param {Entry} item @param {Picture} picture @param {Section["key"]} key */
function showQuestion(item, picture, key) {
  /** @param {string} name */
  const named = (name) => element("em", {}, name);
  const parts = {
    labels: [
      "Labelled ",
      named(picture.label),
      ". The classifier suggests ",
      named(store.board.classes[item.suggested]),
      ".",
    ],
    duplicates: ["Labelled ", named(picture.label), ". The same picture is here more than once."],
    odd: ["Labelled ", named(picture.label), ". It differs from the other pictures of this class."],
  };
  byId("question").replaceChildren(...parts[key]);
}

/** @param {Entry} item @param {Picture} picture */
function showOpinion(item, picture) {
  /** @type {[string, string, number, string][]} */
  const rows =
    item.given_probability === null
      ? []
      : [
          [picture.label, "given", item.given_probability, ""],
          [store.board.classes[item.suggested], "suggested", item.suggested_probability ?? 0, "against"],
        ];
  byId("opinion").replaceChildren(
    ...rows.flatMap(([name, told, share, kind]) => {
      const fill = element("span");
      fill.style.transform = `scaleX(${share})`;
      return [
        element("b", {}, name, element("small", {}, told)),
        element("span", { class: `bar ${kind}` }, fill),
        element("span", {}, percent(share)),
      ];
    }),
  );
}

/** @param {Entry} item @param {Picture} picture */
function showActions(item, picture) {
  const done = store.decided.get(item.picture),
    suggestion = suggestedOf(item);
  byId("keep-as").textContent = picture.label;
  byId("relabel-as").textContent = suggestion;
  for (const button of /** @type {Iterable<HTMLElement>} */ (byId("actions").children)) {
    const action = button.dataset.do;
    const isChosen = done?.action === action && (action !== "relabel" || done?.label === suggestion);
    button.className = `${action === "keep" && isPreselected(item) ? "best" : ""} ${isChosen ? "chosen" : ""}`;
    button.setAttribute("aria-pressed", String(isChosen));
  }
  const stamp = byId("stamp");
  stamp.hidden = !done;
  stamp.className = done?.action ?? "";
  stamp.textContent = done ? written(done) : "";
  byId("classes").replaceChildren(...classButtons(picture));
}

/**
 * With two classes the large button says it all; of many the first nine have keys and the others are found by name.
 *
 * @param {Picture} picture
 */
function classButtons(picture) {
  const classes = store.board.classes;
  if (classes.length === 2) return [];
  const some = classes
    .slice(0, 9)
    .map((name, index) =>
      element(
        "button",
        { type: "button", onclick: () => relabel(name), disabled: name === picture.label },
        element("kbd", {}, index + 1),
        ` ${name}`,
      ),
    );
  const more = element(
    "button",
    { type: "button", onclick: openChooser },
    element("kbd", {}, "/"),
    classes.length > 9 ? ` ${classes.length - 9} more` : " by name",
  );
  return [...some, more];
}

/** @param {{picture: number, note: string}} near @param {Picture} picture @param {string} suggested */
function besideOf(near, picture, suggested) {
  const other = pictureOf(near.picture);
  const image = element("img", {
    src: address(near.picture, "small"),
    alt: `${other.path}, labelled ${other.label}`,
    loading: "lazy",
  });
  return element(
    "li",
    { class: other.label === suggested && other.label !== picture.label ? "against" : "", title: other.path },
    image,
    element("b", {}, other.label),
    element("span", {}, `${near.note}, ${other.part}`),
  );
}

// Only a section that has no picture without a decision is "all decided"; the list of a filter just ends.
function showDone() {
  const section = store.board.sections[store.section],
    left = store.list.filter(isOpen).length;
  const leftInSection = section.items.filter(isOpen).length,
    isFiltered = store.list.length < section.items.length;
  const after = store.board.sections[(store.section + 1) % store.board.sections.length];
  byId("done-title").textContent = !store.list.length
    ? "Nothing to show here"
    : byId("show").value === "decided"
      ? "End of this list"
      : left
        ? `${count(left, "picture")} skipped`
        : leftInSection
          ? "End of this list"
          : `${section.title}: all decided`;
  byId("done-told").textContent = leftInSection
    ? `${section.title}: ${count(leftInSection, "picture")} undecided.`
    : countsSentence();
  byId("done-section").textContent = after.title;
  byId("done-all").hidden = !isFiltered;
}

function countsSentence() {
  /** @type {Record<string, number>} */
  const counts = { relabel: 0, drop: 0, keep: 0 };
  for (const decision of store.decided.values()) counts[decision.action] += 1;
  return `${counts.relabel} relabelled, ${counts.drop} dropped and ${counts.keep} kept, in all sections.`;
}

function showAll() {
  byId("show").value = "all";
  byId("class").value = "";
  refill();
}

function openFinish() {
  const left = store.board.sections
    .map((section) => [section.title, section.items.filter(isOpen).length])
    .filter(([, open]) => open);
  byId("finish-counts").textContent = store.decided.size
    ? countsSentence()
    : "No decision yet, so there is no command to type.";
  byId("finish-next").hidden = !store.decided.size;
  byId("finish-open").textContent = left.length
    ? `Undecided: ${left.map(([title, open]) => `${open.toLocaleString("en")} in ${title}`).join(", ")}. You can go on later: pawsight review opens this page again.`
    : "Every picture has a decision.";
  byId("copied").textContent = "Copy the command";
  byId("finish").showModal();
  byId("finish-title").focus();
}

// Where the browser refuses its clipboard, the command is selected for Ctrl-C.
async function copyCommand() {
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
    byId("copied").textContent = "Copied";
  } catch {
    getSelection()?.selectAllChildren(byId("command"));
    byId("copied").textContent = "Selected: press Ctrl-C";
  }
}

function showFilm() {
  const start = Math.max(0, Math.min(store.at - MOST_ON_FILM / 2, store.list.length - MOST_ON_FILM));
  const items = store.list.slice(start, start + MOST_ON_FILM);
  const film = byId("film"),
    identity = items.map((item) => item.picture).join();
  if (film.dataset.shows !== identity) {
    film.dataset.shows = identity;
    film.replaceChildren(
      ...items.map((item) =>
        element(
          "li",
          {},
          element(
            "button",
            { type: "button" },
            element("img", { src: address(item.picture, "small"), alt: pictureOf(item.picture).path, loading: "lazy" }),
          ),
        ),
      ),
    );
  }
  [...film.children].forEach((cell, index) => {
    const done = store.decided.get(items[index].picture);
    const button = /** @type {HTMLElement} */ (cell.firstElementChild);
    button.className = done ? `decided ${done.action}` : "";
    button.onclick = () => go(start + index);
    button.setAttribute("aria-current", String(start + index === store.at));
    button.setAttribute(
      "aria-label",
      `${start + index + 1}: ${pictureOf(items[index].picture).label}${done ? `, ${done.action}` : ""}`,
    );
  });
  const cell = /** @type {HTMLElement} */ (film.children[store.at - start]);
  const strip = /** @type {HTMLElement} */ (film.parentElement);
  if (cell) strip.scrollLeft = cell.offsetLeft - strip.clientWidth / 2 + cell.clientWidth / 2;
}

/** @type {Decision} */
const KEEP = { action: "keep", label: "" },
  DROP = { action: "drop", label: "" };
/** @param {Entry} item */
const isPreselected = (item) => item.action === "keep"; // nothing else is: a wrong suggestion must not be a habit of Enter

function keep() {
  decide(() => KEEP, "Kept");
}
function drop() {
  decide(() => DROP, "Dropped");
}
function relabelAsSuggested() {
  decide((item) => labelled(item, suggestedOf(item)), "Relabelled as suggested");
}
/** @param {string} label */
function relabel(label) {
  decide((item) => labelled(item, label), `Relabelled to ${label}`);
}

/** @param {Entry} item @param {string} label @returns {Decision} */
function labelled(item, label) {
  return label === pictureOf(item.picture).label ? KEEP : { action: "relabel", label };
}

function take() {
  const item = current();
  if (item && !store.inGrid && isPreselected(item)) keep();
  else speak("Nothing is preselected");
}

/**
 * Decides about the picture that is shown, or about those that are selected in the grid. `decisionOf(item)` says what.
 *
 * @param {(item: Entry) => Decision} decisionOf
 * @param {string} done
 */
function decide(decisionOf, done) {
  const items = store.inGrid ? grid.selected() : [current()].filter((item) => item !== undefined);
  if (!items.length) return store.inGrid && speak("Select pictures first");
  const changes = items.map((item) => ({
    picture: item.picture,
    decision: { ...decisionOf(item) },
    before: store.decided.get(item.picture),
  }));
  store.past.push({ changes, section: store.section });
  for (const { picture, decision, before } of changes) {
    store.decided.set(picture, decision);
    send(picture, decision, before);
  }
  if (store.inGrid) {
    grid.clear();
    show();
    return speak(`${done}: ${count(items.length, "picture")}`);
  }
  const next = store.list.findIndex((other, index) => index > store.at && isOpen(other));
  go(next < 0 ? store.at + 1 : next);
  speak(done);
}

// Takes back what was decided last, all of it where it was decided together.
function undo() {
  /** @type {Change[]} */
  let changes = [],
    section = 0;
  while (!changes.length && store.past.length) {
    const last = store.past.pop() ?? { changes, section };
    section = last.section;
    changes = last.changes.filter(({ picture, decision }) => store.decided.get(picture) === decision); // else it was not saved
  }
  if (!changes.length) return speak("Nothing to undo");
  for (const { picture, decision, before } of changes) {
    if (before) store.decided.set(picture, before);
    else store.decided.delete(picture);
    send(picture, before ?? { action: "undo", label: "" }, decision, decision);
  }
  if (store.section !== section) openSection(section);
  const place = store.list.findIndex((item) => item.picture === changes[0].picture);
  if (place < 0) refill();
  else go(place);
  speak(changes.length > 1 ? `Undone: ${count(changes.length, "picture")}` : "Undone");
}

/**
 * One after another, so that the file ends with the last decision whatever the network does. The server says when a
 * decision was made; what is undone is named with it, so that no decision of another session is undone.
 *
 * @param {number} picture
 * @param {Decision} decision
 * @param {Decision | undefined} before
 * @param {Decision} [undone]
 */
function send(picture, decision, before, undone) {
  store.unsent += 1;
  store.sending = store.sending.then(async () => {
    try {
      const answer = await fetch("decision", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ picture, action: decision.action, label: decision.label, undone }),
      });
      const values = await answer.json();
      if (!answer.ok) throw new Error(values.error ?? answer.statusText, { cause: { stands: values.decision } });
      decision.when = values.decision.when;
      byId("alert").hidden = true;
    } catch (error) {
      const cause = error instanceof Error && /** @type {{stands?: Decision | null} | undefined} */ (error.cause);
      const stands = cause && cause.stands !== undefined ? cause.stands : before;
      if (stands) store.decided.set(picture, stands);
      else store.decided.delete(picture);
      const why = error instanceof TypeError ? "the page was ended in the terminal" : messageOf(error);
      byId("alert").textContent = `The last decision was not kept: ${why}`;
      byId("alert").hidden = false;
      show();
    }
    store.unsent -= 1;
  });
}

/** @param {string} message */
function speak(message) {
  const item = store.inGrid ? null : current(),
    picture = item && pictureOf(item.picture);
  byId("spoken").textContent = picture
    ? `${message}. ${store.at + 1} of ${store.list.length}: labelled ${picture.label}. ${item?.reason}.`
    : store.inGrid
      ? `${message}.`
      : `${message}. End of the list.`;
}

function openChooser() {
  if (store.inGrid ? !grid.selected().length : !current()) return;
  byId("wanted").value = "";
  fillChooser();
  byId("chooser").showModal();
  byId("wanted").focus();
}

function fillChooser() {
  const wanted = byId("wanted").value.toLocaleLowerCase();
  const names = store.board.classes.filter((name) => name.toLocaleLowerCase().includes(wanted));
  byId("found").replaceChildren(
    ...names.map((name, index) =>
      element(
        "li",
        {},
        element("button", { type: "button", class: index ? "" : "first", onclick: () => choose(name) }, name),
      ),
    ),
  );
}

/** @param {string | null} name */
function choose(name) {
  byId("chooser").close();
  if (name) relabel(name);
}

function openZoom() {
  const item = store.inGrid ? store.list[grid.focused] : current();
  if (item) zoom.open(address(item.picture, "full"), pictureOf(item.picture));
}

/** @param {number} step */
const move = (step) => () => {
  go(store.at + step);
  speak("Moved");
};
/** @param {number} step */
const turn = (step) => () =>
  openSection((store.section + step + store.board.sections.length) % store.board.sections.length);
const openHelp = () => byId("help").showModal();
/** @type {Record<string, () => void>} */
const deeds = {
  keep,
  drop,
  undo,
  relabel: relabelAsSuggested,
  choose: openChooser,
  back: move(-1),
  next: move(1),
  section: turn(1),
  all: showAll,
  view: turnView,
  zoom: openZoom,
  select: () => grid.selectAll(),
  finish: openFinish,
  copy: copyCommand,
  help: openHelp,
};
/** @type {Record<string, () => void>} */
const keys = {
  k: keep,
  r: relabelAsSuggested,
  d: drop,
  u: undo,
  Enter: take,
  ArrowLeft: move(-1),
  ArrowRight: move(1),
  "[": turn(-1),
  "]": turn(1),
  "/": openChooser,
  "?": openHelp,
  g: turnView,
  z: openZoom,
  f: openFinish,
};

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.key === "c" && byId("finish").open && !byId("finish-next").hidden && !event.ctrlKey && !event.metaKey)
    return copyCommand();
  if (!store.board || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const target = /** @type {Partial<Element>} */ (event.target); // the document, where nothing has the focus
  const isField = target.matches?.("select, input");
  if (isField) return; // the browser does what is meant
  const inTabs = target.getAttribute?.("role") === "tab" && event.key.startsWith("Arrow");
  if (store.inGrid && !inTabs && store.list.length && grid.key(event)) return event.preventDefault();
  if (event.key === "Enter" && target.matches?.("button")) return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const digit = /^[1-9]$/.test(event.key) ? store.board.classes[Number(event.key) - 1] : null;
  const deed = inTabs ? turn(event.key === "ArrowLeft" ? -1 : 1) : digit ? () => relabel(digit) : keys[name];
  if (!deed || (event.repeat && !event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  deed();
  if (inTabs) byId(`tab-${store.board.sections[store.section].key}`).focus();
}

/** @param {EventTarget | null} target */
function doneBy(target) {
  const button = target instanceof Element ? target.closest("[data-do]") : null;
  return button?.getAttribute("data-do") ?? "";
}

document.addEventListener("keydown", pressed);
document.addEventListener("click", (event) => deeds[doneBy(event.target)]?.());
window.addEventListener("beforeunload", (event) => store.unsent && event.preventDefault()); // decisions are on their way
byId("show").addEventListener("change", refill);
byId("class").addEventListener("change", refill);
byId("wanted").addEventListener("input", fillChooser);
byId("wanted").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  const first = byId("found").querySelector("button");
  if (first) choose(first.textContent);
});
begin().catch((error) => {
  byId("loading").textContent = error.message;
});
