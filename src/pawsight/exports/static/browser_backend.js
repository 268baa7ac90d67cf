// The backend that runs the model in this browser: ONNX Runtime compiled to WebAssembly, in a worker.
//
// It answers only after a self-test: squares that come with the model must get the probabilities that they got when it was
// exported.

import { Closed, Refused } from "./backend.js";
import { answer, decision, setOf } from "./decision.js";
import { all, json, seal } from "./load_model.js";
import { mebibytes } from "./words.js";
import { WorkerClient } from "./worker_client.js";

const FACTS = "pawsight.json";
const WEB = "web.json";
const LARGEST = 512 * 2 ** 20; // bytes of one file, as on the command line

export function inBrowser() {
  let facts = null;
  let opened = null;
  let worker = null;

  async function open(told) {
    facts = { ...(await json(FACTS)), web: await json(WEB) };
    const { model, exam, runtime } = facts.web;
    const parts = [model, exam, ...runtime];
    const [graph, squares, script, wasm] = await all(parts, (here, of) =>
      told(`Loading the classifier: ${mebibytes(here)} of ${mebibytes(of)}\u2026`),
    );
    seal();
    told("The classifier runs its self-test\u2026");
    const address = runtime[0].integrity
      ? URL.createObjectURL(new Blob([script], { type: "text/javascript" }))
      : new URL(runtime[0].address, location).href;
    worker = new WorkerClient({ runtime: address, wasm, graph, facts });
    await selfTest(squares, exam.tolerance);
  }

  // Nothing can be fetched again by now, so whatever goes wrong here stays wrong.
  async function selfTest(squares, tolerance) {
    const difference = await worker.ask("selfTest", squares).catch(({ message }) => {
      throw new Closed(`This browser cannot run the classifier. ${message}`);
    });
    if (!(difference <= tolerance)) throw failed(difference, tolerance);
  }

  async function model(told = () => {}) {
    opened ??= open(told).catch((error) => {
      if (!(error instanceof Closed)) opened = null; // the next call tries anew
      throw error;
    });
    await opened;
    return modelFrom(facts);
  }

  async function classify(files) {
    await model();
    return Promise.all(files.map((file) => predicted(file)));
  }

  async function predicted(file) {
    const { error, outputs } = await worker.ask("classify", file);
    if (error)
      return { file: file.name, label: null, probability: null, probabilities: null, verdict: null, set: null, error };
    return prediction(file.name, outputs, facts);
  }

  const privacy = "Pictures never leave this device. Once it is loaded, this page asks nothing of the network.";
  return { privacy, links: [], model, classify, explain: none, openReport: none };
}

function prediction(file, { probabilities: given, unlikeness }, facts) {
  const probabilities = Array.from(given);
  const named = Object.fromEntries(facts.classes.map((name, place) => [name, probabilities[place]]));
  const best = answer(probabilities, facts);
  const said = decision(probabilities, unlikeness, facts);
  const label = said === "answered" ? facts.classes[best] : said;
  return {
    file,
    label,
    probability: said === "answered" ? probabilities[best] : null,
    probabilities: named,
    verdict: said,
    set: setOf(probabilities, said, facts),
    error: null,
  };
}

function modelFrom(facts) {
  return {
    classes: facts.classes,
    recipe: facts.recipe.name ?? null,
    imagePx: facts.decode.image_px,
    measured: facts.web.measured ?? null,
    maxError: facts.web.max_error,
    sets: facts.sets ? facts.sets.coverage : null,
    detector: facts.web.detector ?? null,
    heatMaps: false,
    report: null,
    group: { files: 1, bytes: LARGEST },
    largest: LARGEST,
  };
}

function failed(difference, tolerance) {
  const off = Number.isFinite(difference)
    ? `a probability is off by ${difference.toFixed(4)}, ${tolerance} is allowed`
    : "its answers are no numbers";
  return new Closed(
    `This copy of the classifier fails its self-test in this browser: ${off}. It answers nothing. Export it again.`,
  );
}

async function none() {
  throw new Refused("There is none in this copy.", { again: false });
}
