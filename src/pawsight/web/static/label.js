// The label page: shows pictures that may have one name together, and sends each name at once.

import { at, element, named, printable } from "./dom.js";
import { keysOf } from "./name_keys.js";
import { Grid } from "./review_grid.js";
import { Zoom } from "./review_zoom.js";
import { count, percent } from "./words.js";

/**
 * @typedef {{action: string, label: string, when: string}} Decision
 * @typedef {{picture: number, path: string, copies: number, width: number, height: number, decision?: Decision}} Item
 * @typedef {{pictures: Item[], suggested: string | null}} Group
 * @typedef {{picture: number, decision: Decision | null, before: Decision | null}} Change
 */

const store = {
  /** @type {any} */ board: null,
  /** @type {{name: string, pictures: number}[]} */ names: [],
  /** @type {Map<string, string>} */ keys: new Map(), // digit and its name
  named: 0,
  aside: 0,
  way: "auto",
  taken: "", // the way that "auto" took
  /** @type {Group[]} */ queue: [], // the first is shown
  from: 0, // the first named picture that is shown
  total: 0, // named pictures of the name that is shown
  shown: 0, // groups of this batch that were done
  /** @type {Set<number>} */ later: new Set(), // pictures that were skipped while this page is open
  /** @type {{changes: Change[], group: Group}[]} */ past: [],
  /** @type {Promise<void>} */ turn: Promise.resolve(),
  waiting: 0,
};
const BUTTONS = 24; // names with a button; others are found by typing
const WAYS = ["auto", "alike", "sure", "named"];

/** @param {number} number @param {string} size */
const address = (number, size) => `picture/${number}/${size}`;
const current = () => store.queue[0];

const zoom = new Zoom();
const grid = new Grid({ address, describe, opened: openZoom });

/** @param {Item} item */
function describe({ path, copies, decision }) {
  const note = copies ? `and ${count(copies, "copy", "copies")}` : "";
  return { path, title: decision?.label ?? "", spoken: printable(path), note, kind: "" };
}

/** @param {string} path @param {RequestInit} [options] */
async function ask(path, options) {
  const answer = await fetch(path, options);
  const values = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(values.error ?? `${answer.status}`), { status: answer.status });
  return values;
}

async function begin() {
  take(await ask("state"));
  const { board } = store;
  at("folder").textContent = board.name;
  document.title = `Label ${board.name}`;
  at("command").textContent = board.command;
  at("table").textContent = board.table;
  await fetchBatch();
  at("loading").hidden = true;
  drawCurve();
}

/** What every answer says of the whole. @param {{board: any, names: {name: string, pictures: number}[], named: number, aside: number}} answer */
function take({ board, names, named, aside }) {
  Object.assign(store, { board, names, named, aside });
}

async function fetchBatch() {
  if (store.way === "named") {
    const label = at("of").value;
    const answer = await ask(`named?name=${encodeURIComponent(label)}&from=${store.from}`);
    take(answer);
    store.total = answer.total;
    store.queue = answer.pictures.length ? [{ pictures: answer.pictures, suggested: null }] : [];
  } else {
    const answer = await ask(`next?way=${store.way}`);
    take(answer);
    store.taken = answer.way;
    /** @param {Item} item */
    const isOpen = (item) => !store.later.has(item.picture);
    const groups = /** @type {Group[]} */ (answer.groups).map((group) => ({
      ...group,
      pictures: group.pictures.filter(isOpen),
    }));
    store.queue = groups.filter((group) => group.pictures.length);
    if (!store.queue.length && answer.groups.length) {
      store.later.clear(); // only what was put off is left
      store.queue = answer.groups;
    }
  }
  store.shown = 0;
  show();
}

function show() {
  showState();
  const group = current();
  at("ask").hidden = !group;
  at("done").hidden = Boolean(group);
  at("wrong").textContent = "";
  at("name").value = "";
  if (!group) return showDone();
  const isNamed = store.way === "named";
  grid.fill(group.pictures, 0);
  if (!isNamed) grid.selectAll();
  const many = group.pictures.length > 1;
  at("ask").className = isNamed ? "named" : "";
  at("question").replaceChildren(
    ...(isNamed
      ? [at("of").value ? "Called " : "Not usable", named(at("of").value)]
      : group.suggested === null
        ? [many ? "What are these?" : "What is this?"]
        : [many ? "Are these " : "Is this ", element("em", {}, named(group.suggested)), "?"]),
  );
  at("hint").textContent = isNamed
    ? "Select what is wrong, then give it another name."
    : many
      ? "Click pictures that do not belong, then name the rest. Those you clicked come next."
      : "";
  showNames(group);
}

function showState() {
  for (const way of WAYS) {
    const isShown = way === store.way;
    at(`tab-${way}`).setAttribute("aria-selected", String(isShown));
    at(`tab-${way}`).tabIndex = isShown ? 0 : -1;
    if (isShown) at("panel").setAttribute("aria-labelledby", `tab-${way}`);
  }
  const { total } = store.board;
  at("count").textContent =
    `${store.named.toLocaleString("en-GB")} of ${count(total, "picture")} named${store.aside ? `, ${store.aside} not usable` : ""}`;
  const batch = store.shown + store.queue.length;
  const what = store.way === "auto" ? { alike: "alike", teach: "these teach most" }[store.taken] : "";
  at("where").textContent =
    current() && store.way !== "named" ? `${what ? `${what}, ` : ""}group ${store.shown + 1} of ${batch}` : "";
  at("meter").setAttribute("aria-valuemax", String(total));
  at("meter").setAttribute("aria-valuenow", String(store.named));
  const bar = /** @type {HTMLElement} */ (at("meter").firstElementChild);
  bar.style.transform = `scaleX(${total ? store.named / total : 0})`;
  at("which").hidden = store.way !== "named";
  const shown = store.from + (current()?.pictures.length ?? 0);
  at("skip").hidden = store.way === "named" && store.total <= shown && !store.from;
  at("skip-text").textContent = store.way === "named" ? "Show others" : "Later";
  fillSelect();
}

function fillSelect() {
  const select = at("of"),
    kept = select.value;
  const used = store.names.filter(({ pictures }) => pictures);
  select.replaceChildren(
    ...used.map(({ name, pictures }) => element("option", { value: name }, `${printable(name)} (${pictures})`)),
    ...(store.aside ? [element("option", { value: "" }, `not usable (${store.aside})`)] : []),
  );
  if (used.some(({ name }) => name === kept)) select.value = kept;
}

/** @param {Group} group */
function showNames({ suggested }) {
  store.keys = keysOf(store.names.map(({ name }) => name));
  const digits = new Map([...store.keys].map(([digit, name]) => [name, digit]));
  const buttons = store.names
    .slice(0, BUTTONS)
    .map(({ name, pictures }) => nameButton(name, pictures, digits.get(name), suggested));
  const place = store.names.findIndex(({ name }) => name === suggested);
  if (place >= BUTTONS)
    buttons.push(
      nameButton(store.names[place].name, store.names[place].pictures, digits.get(store.names[place].name), suggested),
    );
  at("names").replaceChildren(...buttons);
  at("known").replaceChildren(...store.names.map(({ name }) => element("option", { value: name })));
}

/** @param {string} name @param {number} pictures @param {string | undefined} key @param {string | null} suggested */
function nameButton(name, pictures, key, suggested) {
  const isSuggested = name === suggested;
  return element(
    "button",
    { type: "button", class: isSuggested ? "suggested" : "", onclick: () => nameThem(name) },
    element("kbd", {}, isSuggested ? "\u21b5" : key),
    " ",
    named(name),
    element("small", {}, pictures.toLocaleString("en-GB")),
  );
}

function showDone() {
  const left = store.board.total - store.named - store.aside;
  at("done-title").textContent =
    store.way === "named" ? "No picture has a name yet" : left ? "Nothing more here" : "Every picture has a name";
  at("done-told").textContent = left
    ? `${count(left, "picture")} without a name.`
    : "Finish shows the command that trains a classifier on them.";
}

/** One after another: a key that comes while a name is being saved waits for it. @param {() => Promise<void>} deed */
function inTurn(deed) {
  store.waiting += 1;
  store.turn = store.turn
    .then(deed)
    .then(
      () => {
        at("alert").hidden = true;
      },
      (error) => {
        if (error.status === 400) {
          at("wrong").textContent = `${error.message}.`;
          at("name").focus();
        } else {
          const why = error instanceof TypeError ? "the page was ended in the terminal" : error.message;
          at("alert").textContent = `Nothing was changed: ${why}`;
          at("alert").hidden = false;
        }
      },
    )
    .finally(() => {
      store.waiting -= 1;
    });
}

/** @param {object[]} changes */
const send = (changes) =>
  ask("decision", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(changes) });

/** @param {string} action @param {string} label @param {string} said */
function decide(action, label, said) {
  inTurn(async () => {
    const group = current(),
      items = grid.selected();
    if (!group || !items.length) throw Object.assign(new Error("Select pictures first"), { status: 400 });
    const answer = await send(items.map(({ picture }) => ({ picture, action, label })));
    take(answer);
    const changes = items.map(({ picture, decision }) => ({
      picture,
      decision: answer.decisions[picture],
      before: decision ?? null,
    }));
    store.past.push({ changes, group });
    const decided = new Set(items.map(({ picture }) => picture));
    const rest = group.pictures.filter(({ picture }) => !decided.has(picture));
    store.queue.shift();
    if (rest.length) store.queue.unshift({ pictures: rest, suggested: null });
    else store.shown += 1;
    await following(`${said}: ${count(items.length, "picture")}`);
  });
}

/** @param {string} said */
async function following(said) {
  if (current()) show();
  else {
    await fetchBatch();
    drawCurve();
  }
  window.scrollTo(0, 0);
  at(current() ? "question" : "done-title").focus({ preventScroll: true });
  speak(said);
}

/** @param {string} name */
function nameThem(name) {
  if (name.trim()) decide("relabel", name, `Named ${name}`);
}

function skip() {
  inTurn(async () => {
    if (store.way === "named") {
      const next = store.from + (current()?.pictures.length ?? 0);
      store.from = next < store.total ? next : 0;
      await fetchBatch();
      return speak("Others are shown");
    }
    const group = store.queue.shift();
    if (!group) return;
    for (const { picture } of group.pictures) store.later.add(picture);
    store.shown += 1;
    await following("Put off");
  });
}

// Takes back what was named last, and shows it again.
function undo() {
  inTurn(async () => {
    const last = store.past.pop();
    if (!last) return speak("Nothing to undo");
    take(
      await send(
        last.changes.map(({ picture, decision, before }) => ({
          picture,
          action: before?.action ?? "undo",
          label: before?.label ?? "",
          undone: decision,
        })),
      ),
    );
    if (store.way === "named") await fetchBatch();
    else {
      const back = new Set(last.group.pictures.map(({ picture }) => picture));
      const others = store.queue.map((group) => ({
        ...group,
        pictures: group.pictures.filter(({ picture }) => !back.has(picture)),
      }));
      store.queue = [last.group, ...others.filter(({ pictures }) => pictures.length)];
      store.shown = Math.max(0, store.shown - 1);
      show();
    }
    speak(`Undone: ${count(last.changes.length, "picture")}`);
  });
}

// Says in words what more names would gain; it takes seconds, so the page does not wait for it.
async function drawCurve() {
  const found = await ask("progress").catch(() => null);
  at("curve").hidden = !found;
  if (!found) return;
  const right = found.interval
    ? `A classifier is right for ${percent(found.accuracy)} of the pictures (95 % interval ${found.interval.map(percent).join(" to ")}), measured on ${count(found.drawn, "named picture")} that were drawn at random and that it had not seen.`
    : "";
  const isNoBetter = found.interval && found.interval[0] <= found.commonest;
  const baseline = isNoBetter
    ? ` Always answering the commonest name is right for ${percent(found.commonest)} of them, so that is no better. It needs more pictures of the other names.`
    : found.interval
      ? ` Always answering the commonest name is right for ${percent(found.commonest)}.`
      : "";
  const gain = found.gain_interval
    ? `${found.gain.toFixed(1)} points (${found.gain_interval.map((/** @type {number} */ end) => end.toFixed(1)).join(" to ")})`
    : `about ${Math.max(0, found.gain).toFixed(1)} points (too few to say how certain that is)`;
  at("curve").className = found.pays || isNoBetter ? "" : "enough";
  const why = found.stable
    ? `the last ones changed ${percent(found.changed)} of the answers about pictures without a name.`
    : "twice as many would gain nothing that can be measured.";
  const more = found.pays
    ? ` Twice as many names would gain ${gain} on pictures as hard as those that were named.`
    : isNoBetter
      ? ""
      : ` More names would hardly pay: ${why} Finish, or go on as you like.`;
  at("curve").textContent = `${right}${baseline}${more}`;
}

/** @param {string} message */
function speak(message) {
  at("spoken").textContent = `${message}. ${current() ? at("question").textContent : at("done-title").textContent}`;
}

/** @param {string} way */
function turnTo(way) {
  inTurn(async () => {
    store.way = way;
    store.from = 0;
    fillSelect();
    await fetchBatch();
    speak(at(`tab-${way}`).textContent);
  });
}

/** @param {number} [index] */
function openZoom(index = grid.focused) {
  const item = grid.items[index];
  if (item) zoom.open(address(item.picture, "full"), item);
}

function openFinish() {
  const used = store.names.filter(({ pictures }) => pictures);
  const counts = used.map(({ name, pictures }) => `${printable(name)} ${pictures.toLocaleString("en-GB")}`).join(", ");
  at("finish-counts").textContent = used.length
    ? `${count(store.named, "picture")} named: ${counts}.`
    : "No picture has a name yet.";
  at("finish-next").hidden = used.length < 2;
  const alone = used.filter(({ pictures }) => pictures === 1).map(({ name }) => printable(name));
  at("finish-open").textContent = [
    used.length < 2 ? "Training needs two names." : "",
    alone.length ? `One picture alone is called ${alone.join(", ")}; name some more.` : "",
    "You can go on later: the same command opens this page again.",
  ].join(" ");
  at("copied").textContent = "Copy the command";
  at("finish").showModal();
  at("finish-title").focus();
}

// Where the browser refuses its clipboard, the command is selected for Ctrl-C.
async function copyCommand() {
  try {
    await navigator.clipboard.writeText(at("command").textContent);
    at("copied").textContent = "Copied";
  } catch {
    getSelection()?.selectAllChildren(at("command"));
    at("copied").textContent = "Selected: press Ctrl-C";
  }
}

function accept() {
  const suggested = current()?.suggested;
  if (suggested) nameThem(suggested);
  else speak("Nothing is suggested");
}

/** @param {number} step */
const turn = (step) => () => turnTo(WAYS[(WAYS.indexOf(store.way) + step + WAYS.length) % WAYS.length]);
const aside = () => decide("drop", "", "Not usable");
const select = () => grid.selectAll();
const help = () => at("help").showModal();
const typeName = () => at("name").focus();
/** @type {Record<string, () => void>} */
const deeds = { aside, skip, undo, select, help, finish: openFinish, copy: copyCommand };
/** @type {Record<string, () => void>} */
const keys = {
  Enter: accept,
  x: aside,
  s: skip,
  u: undo,
  n: typeName,
  z: () => openZoom(),
  f: openFinish,
  "?": help,
  "[": turn(-1),
  "]": turn(1),
};

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.key === "c" && at("finish").open && !at("finish-next").hidden && !event.ctrlKey && !event.metaKey)
    return copyCommand();
  if (!store.board || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const target = /** @type {Partial<Element>} */ (event.target); // the document, where nothing has the focus
  if (target === at("name") && event.key === "Escape") return at("question").focus();
  if (target.matches?.("select, input")) return; // the browser does what is meant
  const inTabs = target.getAttribute?.("role") === "tab" && event.key.startsWith("Arrow");
  const onCell = grid.cellOf(event.target) >= 0;
  if (event.key === "Enter" && target.matches?.("button") && !onCell) return;
  if (!inTabs && event.key !== "Enter" && current() && grid.key(event)) return event.preventDefault();
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const keyed = store.keys.get(event.key);
  const deed = inTabs
    ? turn(event.key === "ArrowLeft" ? -1 : 1)
    : keyed !== undefined
      ? () => nameThem(keyed)
      : keys[name];
  if (!deed || event.repeat) return;
  event.preventDefault();
  deed();
  if (inTabs) store.turn.then(() => at(`tab-${store.way}`).focus());
}

document.addEventListener("keydown", pressed);
document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  deeds[target?.closest("[data-do]")?.getAttribute("data-do") ?? ""]?.();
  const way = target?.closest("[data-way]")?.getAttribute("data-way");
  if (way) turnTo(way);
});
window.addEventListener("beforeunload", (event) => store.waiting && event.preventDefault()); // names are on their way
at("of").addEventListener("change", () => {
  store.from = 0;
  inTurn(fetchBatch);
});
at("typed").addEventListener("submit", (event) => {
  event.preventDefault();
  nameThem(at("name").value);
});
begin().catch((error) => {
  at("loading").textContent = error.message;
});
