// What the classifier is: the question that the page asks, how often it is right, what it cannot say.

import { download } from "./answer_files.js";
import { at, element, named, printable } from "./dom.js";
import { count, percent } from "./words.js";

const NAMED = 3; // with more classes than that, the question does not name them
const CHIPS = 12; // more classes than that fold away

export function introduce(backend) {
  at("privacy").textContent = backend.privacy;
  at("facts").textContent = "The classifier is being opened\u2026";
  at("links").replaceChildren(...backend.links.map(({ text, href }) => element("a", { href }, text)));
}

export function describe(model, backend, told) {
  at("privacy").textContent = model.privacy ?? backend.privacy;
  question(model);
  classes(model.classes, Boolean(model.title));
  facts(model);
  latest(model.window ?? null);
  warning(model.detector);
  if (model.share) at("links").prepend(share(model.share));
  if (model.report) at("links").prepend(report(model.report, backend, told));
}

export function opening(words) {
  at("facts").textContent = words;
}

export function closed(words) {
  at("facts").replaceChildren(element("strong", {}, words));
}

export function unreachable(words) {
  at("facts").textContent = `${words} Asking again in a moment.`;
}

const FEWEST = 10; // pictures; of fewer the interval says next to nothing

// What the latest pictures that the server answered say about the classifier; null where there is nothing to say.
export function latest(found) {
  at("latest").hidden = found === null || found.pictures < FEWEST;
  if (at("latest").hidden) return;
  const [low, high] = found.interval.map((end) => (100 * end).toFixed(0));
  const right = element("b", {}, percent(found.accuracy));
  const words = [
    "Of the latest ",
    count(found.pictures, "picture"),
    " about ",
    right,
    ` are likely right (${low}\u2013${high}\u00a0%).`,
  ];
  if (found.alarm)
    words.push(" ", element("strong", {}, "They differ from the validation pictures: label some and measure."));
  at("latest").replaceChildren(...words);
}

function question({ title, classes: names }) {
  if (title) {
    document.title = printable(title);
    at("question").replaceChildren(named(title, { most: 100 }));
  }
  if (title || names.length > NAMED) return;
  const parts = names.flatMap((name, place) => {
    const before = place === 0 ? "" : place === names.length - 1 ? " or " : ", ";
    const shown = place === 0 ? name.charAt(0).toUpperCase() + name.slice(1) : name;
    return [before, named(shown, { most: 24, class: "class" })];
  });
  at("question").replaceChildren(...parts, "?");
}

// What is to be known where the classifier seldom calls a picture unfamiliar, or never.
function warning(detector) {
  const { caught = 0, pictures = 0 } = detector ?? {};
  at("limits").hidden = pictures > 0 && 2 * caught >= pictures;
  at("limits").textContent = detector
    ? `It noticed ${caught} of ${pictures} pictures of other things. The others got one of its classes.`
    : "It answers every picture with one of its classes, also a picture of something else.";
}

function classes(names, isTitled) {
  const few = names.length <= CHIPS;
  at("chips").hidden = !few || (names.length <= NAMED && !isTitled);
  at("classes").hidden = few;
  at("classes-title").textContent = `All ${names.length} classes`;
  at(few ? "chips" : "class-list").replaceChildren(...names.map((name) => element("li", {}, named(name))));
}

// A chip with how often it was right; what that means is in the popover.
function facts({ recipe, classes: names, imagePx, measured }) {
  const size = imagePx && `${imagePx}\u00a0px`;
  const made = [recipe && `recipe ${recipe}`, count(names.length, "class", "classes"), size].filter(Boolean).join(", ");
  const words = measured ? `${outOf(measured)} right on new pictures` : "About this classifier";
  at("facts").replaceChildren(element("button", { type: "button", class: "quiet", popovertarget: "about" }, words));
  at("about-test").textContent = measured ? tested(measured) : "How often it is right was not measured.";
  at("about-made").textContent = `${made.charAt(0).toUpperCase()}${made.slice(1)}.`;
}

function outOf({ pictures, accuracy }) {
  const [right, all] = [Math.round(accuracy * pictures), pictures].map((number) => number.toLocaleString("en-GB"));
  return `${right} of ${all}`;
}

const SUBSETS = {
  test: (pictures) => `Its test set has ${pictures}, which were used for nothing but this figure`,
  validation: (pictures) => `Its validation set has ${pictures}, which it did not learn from`,
  "cross-validation": (pictures) => `Cross-validation on ${pictures}: each was answered without learning from it`,
};

function tested({ subset, pictures, accuracy, interval }) {
  const [low, high] = interval.map((end) => (100 * end).toFixed(1));
  const right = `${outOf({ pictures, accuracy })} answers were right`;
  const share = `${percent(accuracy)}; 95\u00a0% interval ${low}\u2013${high}\u00a0%`;
  return `${SUBSETS[subset](count(pictures, "picture"))}. ${right} (${share}). On pictures of another kind it may be right less often.`;
}

// The page's address as a QR code.
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

function report(where, backend, told) {
  if (where !== true) return element("a", { href: where }, "Report");
  const fetched = async () => {
    try {
      download("report.html", await backend.openReport());
    } catch (error) {
      told(`The report cannot be loaded: ${error.message}`);
    }
  };
  return element("button", { type: "button", class: "link", onclick: fetched }, "Report");
}
