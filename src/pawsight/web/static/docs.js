// Shows /openapi.json to people. Text is set as text, never as markup.

function make(name, text, ...inside) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...inside);
  return element;
}

function rows(pairs) {
  const table = make("table");
  for (const cells of pairs) table.append(make("tr", "", ...cells.map((cell) => make("td", cell))));
  const wide = make("div", "", table);
  wide.className = "wide";
  return wide;
}

function operation(path, method, told, shared) {
  const verb = make("span", method.toUpperCase());
  verb.className = "method";
  const head = make("summary", "", verb, make("code", path), ` ${told.summary}`);
  const body = make("div", "", ...(told.description ? [make("p", told.description)] : []));
  if (told.security) body.append(make("p", "Where a token is demanded: Authorization: Bearer TOKEN."));
  if (told.requestBody)
    body.append(make("h3", "Takes"), rows(Object.keys(told.requestBody.content).map((kind) => [kind])));
  const answers = Object.entries(told.responses).map(([status, said]) => {
    const one = said.$ref ? shared[said.$ref.split("/").pop()] : said;
    const kind = Object.keys(one.content || {})
      .filter((name) => name !== "application/problem+json")
      .join(", ");
    return [status, one.description + (kind ? ` (${kind})` : "")];
  });
  body.append(make("h3", "Answers"), rows(answers));
  return make("details", "", head, body);
}

function schema(name, told) {
  const fields = Object.entries(told.properties ?? {}).map(([field, one]) => [
    field,
    [].concat(one.type || one.$ref?.split("/").pop() || "one of a few").join(" or "),
    one.description || "",
  ]);
  return make("details", "", make("summary", name), make("div", told.description ?? "", rows(fields)));
}

function limits(table, values) {
  for (const [name, { value, unit, description }] of Object.entries(values)) {
    table.append(make("tr", "", make("td", name), make("td", `${value} ${unit}`), make("td", description)));
  }
}

async function show() {
  const place = document.getElementById("operations");
  try {
    const told = await (await fetch("/openapi.json")).json();
    document.querySelector("pre code").textContent = document
      .querySelector("pre code")
      .textContent.replace("ADDRESS", location.origin);
    document.getElementById("about").textContent = `${told.info.title} ${told.info.version}. ${told.info.description}`;
    const all = Object.entries(told.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, one]) => operation(path, method, one, told.components.responses)),
    );
    place.replaceChildren(make("h2", "Addresses"), ...all);
    const shapes = Object.entries(told.components.schemas).map(([name, one]) => schema(name, one));
    document.getElementById("schemas").replaceChildren(make("h2", "What is sent back"), ...shapes);
    limits(document.getElementById("limits"), told["x-limits"]);
  } catch (error) {
    place.replaceChildren(make("p", `The description could not be read: ${error.message}`));
  }
}

show();
