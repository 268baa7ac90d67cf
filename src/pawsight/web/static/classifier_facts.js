// What the classifier is: the question that the page asks, how often it is right, what it cannot say.

import { download } from "./answer_files.js";
import { at, element, named, printable } from "./dom.js";
import { count, messageOf, percent } from "./words.js";

/** @import {Backend, Measured, Model, Share, Window} from "./backend.js" */

const NAMED = 3; // with more classes than that, the question does not name them
const CHIPS = 12; // more classes than that fold away

/** @param {Backend} backend */
export function introduce(backend) {
  at("privacy").textContent = backend.privacy;
  at("facts").textContent = "The classifier is being opened\u2026";
  at("links").replaceChildren(...backend.links.map(({ text, href }) => element("a", { href }, text)));
}

/** @param {Model} model @param {Backend} backend @param {(words: string) => void} told */
export function describe(model, backend, told) {
  at("privacy").textContent = model.privacy ?? backend.privacy;
  question(model);
  classes(model);
  facts(model);
  latest(model.window ?? null);
  warning(model);
  if (model.share) at("links").prepend(share(model.share));
  if (model.report) at("links").prepend(report(model.report, backend, told));
}

/** @param {string} words @param {number} [share] of the work that is done */
export function opening(words, share) {
  const bar = share === undefined ? [] : [element("progress", { value: share, "aria-label": "Loaded" })];
  at("facts").replaceChildren(words, ...bar);
}

/** @param {string} words */
export function closed(words) {
  at("facts").replaceChildren();
  at("notice").textContent = words;
  at("notice").hidden = false;
  document.body.classList.add("closed");
}

/** @param {string} words */
export function unreachable(words) {
  at("facts").textContent = `${words} Asking again in a moment.`;
}

const FEWEST = 10; // pictures; of fewer the interval says next to nothing

/**
 * What the latest pictures that the server answered say about the classifier; null where there is nothing to say.
 *
 * @param {Window | null} found
 */
export function latest(found) {
  at("latest").hidden = true;
  if (found === null || found.pictures < FEWEST) return;
  at("latest").hidden = false;
  const [low, high] = found.interval.map((end) => (100 * end).toFixed(0));
  const right = element("b", {}, percent(found.accuracy));
  const words = [
    "Of the latest ",
    count(found.pictures, "picture"),
    " of this service, an estimated ",
    right,
    ` are answered right (${low}\u2013${high}\u00a0%).`,
  ];
  if (found.alarm)
    words.push(" ", element("strong", {}, "They differ from the validation pictures: label some and measure."));
  at("latest").replaceChildren(...words);
}

/** @param {Pick<Model, "title" | "classes" | "severalLabels">} model */
function question({ title, classes: names, severalLabels }) {
  if (title) {
    document.title = printable(title);
    at("question").replaceChildren(named(title, { most: 100 }));
  }
  if (severalLabels) at("wanted").textContent = "which labels they have";
  if (title || severalLabels || names.length > NAMED) return;
  const parts = names.flatMap((name, place) => {
    const before = place === 0 ? "" : place === names.length - 1 ? " or " : ", ";
    const shown = place === 0 ? name.charAt(0).toUpperCase() + name.slice(1) : name;
    return [before, named(shown, { most: 24, class: "class" })];
  });
  at("question").replaceChildren(...parts, "?");
}

/** What is to be known where the classifier seldom calls a picture unfamiliar, or never. @param {Model} model */
function warning({ detector, severalLabels }) {
  const { caught = 0, pictures = 0 } = detector ?? {};
  at("limits").hidden = pictures > 0 && 2 * caught >= pictures;
  at("limits").textContent = detector
    ? `It noticed ${caught} of ${pictures} pictures of other things. The others got ${severalLabels ? "answers about its labels" : "one of its classes"}.`
    : `It answers every picture with ${severalLabels ? "its labels" : "one of its classes"}, also a picture of something else.`;
}

/** @param {Model} model */
function classes({ classes: names, title, severalLabels }) {
  const few = names.length <= CHIPS;
  at("chips").hidden = !few || (names.length <= NAMED && !title && !severalLabels);
  if (severalLabels) at("chips").setAttribute("aria-label", "Labels");
  at("classes").hidden = few;
  at("classes-title").textContent = `All ${names.length} ${severalLabels ? "labels" : "classes"}`;
  at(few ? "chips" : "class-list").replaceChildren(...names.map((name) => element("li", {}, named(name))));
}

/** A chip with how often it was right; what that means is in the popover. @param {Model} model */
function facts({ recipe, classes: names, severalLabels, imagePx, measured }) {
  const size = imagePx && `${imagePx}\u00a0px`;
  const number = severalLabels ? count(names.length, "label") : count(names.length, "class", "classes");
  const made = [recipe && `recipe ${recipe}`, number, size].filter(Boolean).join(", ");
  const right = severalLabels ? "new pictures with every label right" : "right on new pictures";
  const words = measured ? `${outOf(measured)} ${right}` : "About this classifier";
  at("facts").replaceChildren(element("button", { type: "button", class: "quiet", popovertarget: "about" }, words));
  at("about-test").textContent = measured ? tested(measured, severalLabels) : "How often it is right was not measured.";
  at("about-made").textContent = `${made.charAt(0).toUpperCase()}${made.slice(1)}.`;
}

/** @param {Pick<Measured, "pictures" | "accuracy">} measured */
function outOf({ pictures, accuracy }) {
  const [right, all] = [Math.round(accuracy * pictures), pictures].map((number) => number.toLocaleString("en-GB"));
  return `${right} of ${all}`;
}

/** @type {Record<string, (pictures: string) => string>} */
const SUBSETS = {
  test: (pictures) => `Its test set has ${pictures}, which were used for nothing but this figure`,
  validation: (pictures) => `Its validation set has ${pictures}, which it did not learn from`,
  "cross-validation": (pictures) => `Cross-validation on ${pictures}: each was answered without learning from it`,
};

/** @param {Measured} measured @param {boolean} [severalLabels] */
function tested({ subset, pictures, accuracy, interval }, severalLabels) {
  const [low, high] = interval.map((end) => (100 * end).toFixed(1));
  const right = `${outOf({ pictures, accuracy })} ${severalLabels ? "have every label right" : "answers were right"}`;
  const share = `${percent(accuracy)}; 95\u00a0% interval ${low}\u2013${high}\u00a0%`;
  return `${SUBSETS[subset](count(pictures, "picture"))}. ${right} (${share}). On pictures of another kind it may be right less often.`;
}

/** The page's address as a QR code. @param {Share} share */
function share({ address, asksToken }) {
  at("share-address").href = at("share-address").textContent = address;
  at("share-note").textContent = asksToken
    ? "The device must be on the same network. It will ask for the access token, which the code does not hold."
    : "The device must be on the same network. All devices there can use this page.";
  at("share-close").addEventListener("click", () => at("share").close());
  const show = () => {
    at("share-code").src = "share.svg";
    at("share").showModal();
  };
  return element("button", { type: "button", class: "link", onclick: show }, "Share");
}

/** @param {string | boolean} where @param {Backend} backend @param {(words: string) => void} told */
function report(where, backend, told) {
  if (where !== true) return element("a", { href: where }, "Report");
  const fetched = async () => {
    try {
      download("report.html", await backend.openReport());
    } catch (error) {
      told(`The report cannot be loaded: ${messageOf(error)}`);
    }
  };
  return element("button", { type: "button", class: "link", onclick: fetched }, "Report");
}
