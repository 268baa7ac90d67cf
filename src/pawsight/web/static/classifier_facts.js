// What the classifier is, told in a line at the top and in the question that the page asks.

import { at, element, named } from "./dom.js";
import { download } from "./answer_files.js";
import { count, percent } from "./words.js";

const NAMED = 4; // with more classes than that, the question only counts them

export function introduce(backend) {
  at("privacy").textContent = backend.privacy;
  at("facts").textContent = "The classifier is being opened\u2026";
  at("links").replaceChildren(...backend.links.map(({ text, href }) => element("a", { href }, text)));
}

export function describe(model, backend, told) {
  question(model.classes);
  classes(model.classes);
  at("facts").replaceChildren(...facts(model));
  latest(model.window ?? null);
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

// What the latest pictures that the server answered say about the classifier; null where there is nothing to say.
export function latest(found) {
  at("latest").hidden = found === null;
  if (found === null) return;
  const [low, high] = found.interval.map((end) => (100 * end).toFixed(0));
  const right = element("b", {}, percent(found.accuracy));
  const words = ["Of the latest ", count(found.pictures, "picture"), " about ", right, ` are likely right (${low}\u2013${high}\u00a0%).`];
  if (found.alarm) words.push(" ", element("strong", {}, "They differ from the validation pictures: label some and measure."));
  at("latest").replaceChildren(...words);
}

function question(names) {
  if (names.length > NAMED) return at("question").replaceChildren(`Which of ${names.length} is it?`);
  const parts = names.flatMap((name, place) => {
    const before = place === 0 ? "" : place === names.length - 1 ? " or " : ", ";
    return [before, named(name, { most: 24, class: "class" })];
  });
  at("question").replaceChildren(...parts, "?");
}

function classes(names) {
  at("classes").hidden = names.length <= NAMED;
  at("classes-title").textContent = `All ${names.length} classes`;
  at("class-list").replaceChildren(...names.map((name) => element("li", {}, named(name))));
}

function facts({ recipe, classes: names, imagePx, validation, detector }) {
  const parts = [recipe, count(names.length, "class", "classes"), imagePx ? `${imagePx}\u00a0px` : null];
  const made = [...parts, noticed(detector)].filter(Boolean).join(", ");
  if (!validation) return [made];
  const [low, high] = validation.interval.map((end) => (100 * end).toFixed(1));
  const right = element("b", {}, percent(validation.accuracy));
  return ["Right for ", right, ` of ${count(validation.pictures, "picture")} kept aside (95\u00a0% interval ${low}\u2013${high}\u00a0%); `, made];
}

// What is to be known where the classifier seldom calls a picture unfamiliar, or never.
function noticed(detector) {
  if (!detector) return "answers any picture with one of its classes";
  const { caught, pictures } = detector;
  return 2 * caught < pictures ? `notices ${caught} of ${pictures} pictures of other things` : null;
}

function report(where, backend, told) {
  if (where !== true) return element("a", { href: where }, "Its report");
  const fetched = async () => {
    try {
      download("report.html", await backend.openReport());
    } catch (error) {
      told(`The report cannot be loaded: ${error.message}`);
    }
  };
  return element("button", { type: "button", class: "link", onclick: fetched }, "Its report");
}
