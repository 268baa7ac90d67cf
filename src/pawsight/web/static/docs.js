// The API reference: shows /openapi.json to people.

import { at, element } from "./dom.js";

const lastOf = (reference) => reference?.split("/").pop();

function table(rows) {
  const lines = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element("div", { class: "wide" }, element("table", {}, ...lines));
}

function operation(path, method, { summary, description, security, requestBody, responses }, shared) {
  const answers = Object.entries(responses).map(([status, response]) => {
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

function schema(name, { description, properties = {} }) {
  const fields = Object.entries(properties).map(([field, { type, $ref, description: words }]) => [
    field,
    [type ?? lastOf($ref) ?? "one of a few"].flat().join(" or "),
    words,
  ]);
  return element("details", {}, element("summary", {}, name), element("div", {}, description, table(fields)));
}

async function show() {
  at("example").textContent = at("example").textContent.replace("ADDRESS", location.origin);
  try {
    const { info, paths, components, "x-limits": limits } = await (await fetch("/openapi.json")).json();
    at("about").textContent = `${info.title} ${info.version}. ${info.description}`;
    const operations = Object.entries(paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, told]) => operation(path, method, told, components.responses)),
    );
    at("operations").replaceChildren(element("h2", {}, "Addresses"), ...operations);
    const schemas = Object.entries(components.schemas).map(([name, told]) => schema(name, told));
    at("schemas").replaceChildren(element("h2", {}, "What is sent back"), ...schemas);
    const rows = Object.entries(limits).map(([name, { value, unit, description }]) => [
      name,
      `${value} ${unit}`,
      description,
    ]);
    at("limits").replaceChildren(element("h2", {}, "Limits"), table(rows));
  } catch (error) {
    at("operations").replaceChildren(element("p", {}, `The description could not be read: ${error.message}`));
  }
}

show();
