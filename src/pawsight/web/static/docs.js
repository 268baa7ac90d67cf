// The API reference: shows /openapi.json to people.

import { at, element } from "./dom.js";
import { messageOf } from "./words.js";

/** @param {string} reference */
const lastOf = (reference) => reference.slice(reference.lastIndexOf("/") + 1);

/** @param {string[][]} rows */
function table(rows) {
  const lines = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element("div", { class: "wide" }, element("table", {}, ...lines));
}

/** @param {string} path @param {string} method @param {any} told @param {Record<string, any>} shared */
function operation(path, method, told, shared) {
  const { summary, description, security, requestBody, responses } = told;
  const answers = Object.entries(/** @type {Record<string, any>} */ (responses)).map(([status, response]) => {
    const { description: words, content = {} } = response.$ref ? shared[lastOf(response.$ref)] : response;
    const kinds = Object.keys(content).filter((kind) => kind !== "application/problem+json");
    return [status, words + (kinds.length ? ` (${kinds.join(", ")})` : "")];
  });
  const taken = Object.keys(requestBody?.content ?? {}).map((kind) => [kind]);
  return element(
    "details",
    {},
    element(
      "summary",
      {},
      element("span", { class: "method" }, method.toUpperCase()),
      element("code", {}, path),
      ` ${summary}`,
    ),
    element(
      "div",
      {},
      description && element("p", {}, description),
      security && element("p", {}, "Where a token is demanded: Authorization: Bearer TOKEN."),
      taken.length ? [element("h3", {}, "Takes"), table(taken)] : null,
      element("h3", {}, "Answers"),
      table(answers),
    ),
  );
}

/** @param {string} name @param {any} schema */
function schema(name, { description, properties = {} }) {
  const fields = Object.entries(/** @type {Record<string, any>} */ (properties)).map(
    ([field, { type, $ref, description: words }]) => [
      field,
      [type ?? ($ref ? lastOf($ref) : "one of a few")].flat().join(" or "),
      words,
    ],
  );
  return element("details", {}, element("summary", {}, name), element("div", {}, description, table(fields)));
}

async function show() {
  at("example").textContent = at("example").textContent.replace("ADDRESS", location.origin);
  try {
    const { info, paths, components, "x-limits": limits } = await (await fetch("/openapi.json")).json();
    at("about").textContent = `${info.title} ${info.version}. ${info.description}`;
    const operations = Object.entries(/** @type {Record<string, Record<string, any>>} */ (paths)).flatMap(
      ([path, item]) =>
        Object.entries(item).map(([method, told]) => operation(path, method, told, components.responses)),
    );
    at("operations").replaceChildren(element("h2", {}, "Addresses"), ...operations);
    const schemas = Object.entries(/** @type {Record<string, any>} */ (components.schemas)).map(([name, told]) =>
      schema(name, told),
    );
    at("schemas").replaceChildren(element("h2", {}, "What is sent"), ...schemas);
    const rows = Object.entries(/** @type {Record<string, any>} */ (limits)).map(
      ([name, { value, unit, description }]) => [name, `${value} ${unit}`, description],
    );
    at("limits").replaceChildren(element("h2", {}, "Limits"), table(rows));
  } catch (error) {
    at("operations").replaceChildren(element("p", {}, `The description could not be read: ${messageOf(error)}`));
  }
}

show();
