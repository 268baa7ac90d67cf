// The backend that runs the model in this browser: ONNX Runtime compiled to WebAssembly, in a worker.
//
// It answers only after a self-test: squares that come with the model must get the probabilities that they got when it was
// exported.

import { Closed, Refused } from "./backend.js";
import { answer, decision, labelsOf, setOf } from "./decision.js";
import { all, inBlobs, json, keep, seal } from "./load_model.js";
import { mebibytes, messageOf, UNFAMILIAR } from "./words.js";
import { WorkerClient } from "./worker_client.js";

/** @import {Backend, Model, Prediction} from "./backend.js" */
/** @import {Rules} from "./decision.js" */
/** @import {Part} from "./load_model.js" */
/** @import {Outputs} from "./worker.js" */

/** @typedef {Part & {probabilities: number[][], unlikeness: number[] | null, tolerance: number}} SelfTest */
/** @typedef {{model: Part, exam: SelfTest, runtime: Part[], heat_maps: boolean}} Files */
/** @typedef {Files & {measured: Model["measured"], detector: Model["detector"], max_error: number | null}} Web */
/**
 * pawsight.json, with web.json as `web`.
 *
 * @typedef {Rules & {
 *   recipe: {name?: string}, decode: {image_px: number, max_megapixels: number, version: number}, input: {name: string},
 *   web: Web,
 * }} Facts
 */

const FACTS = "pawsight.json";
const WEB = "web.json";
const LARGEST = 512 * 2 ** 20; // bytes of one file, as on the command line

/** @typedef {{facts: Facts, worker: WorkerClient}} Opened */

/** @returns {Backend} */
export function inBrowser() {
  /** @type {Promise<Opened> | null} */
  let opened = null;

  /** @param {Parameters<Backend["model"]>[0]} told */
  async function model(told) {
    opened ??= open(told).catch((error) => {
      if (!(error instanceof Closed)) opened = null; // the next call tries anew
      throw error;
    });
    return modelFrom((await opened).facts);
  }

  async function ready() {
    await model(() => {});
    return /** @type {Promise<Opened>} */ (opened);
  }

  /** @param {File[]} files */
  async function classify(files) {
    const { facts, worker } = await ready();
    return Promise.all(files.map(async (file) => prediction(file.name, await worker.ask("classify", file), facts)));
  }

  /** @param {File} file @param {string} label */
  async function explain(file, label) {
    const { facts, worker } = await ready();
    const { error, blob } = await worker.ask("explain", { file, place: facts.classes.indexOf(label) });
    if (error) throw new Refused(error, { again: false });
    return blob;
  }

  const privacy = "Pictures never leave this device. Once it is loaded, this page asks nothing of the network.";
  return { privacy, links: [], model, classify, explain, openReport: none };
}

/** @param {Parameters<Backend["model"]>[0]} told @returns {Promise<Opened>} */
async function open(told) {
  if (typeof WebAssembly === "undefined") throw new Closed(NO_WEBASSEMBLY);
  await keep();
  /** @type {Facts} */
  const facts = { ...(await json(FACTS)), web: await json(WEB) };
  const { model, exam, runtime } = facts.web;
  const own = await inBlobs(new URL("./worker.js", import.meta.url));
  const [graph, squares, script, wasm] = await all([model, exam, ...runtime], (here, of) =>
    told(`Loading the classifier: ${mebibytes(here)} of ${mebibytes(of)}`, here / of),
  );
  seal();
  told("The classifier runs its self-test\u2026");
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new WorkerClient(own, { runtime: address, wasm, graph, facts });
  await selfTest(worker, squares, exam.tolerance);
  return { facts, worker };
}

const NO_WEBASSEMBLY =
  "This browser does not run WebAssembly, which the classifier needs. Use a current Chrome, Edge, Firefox or Safari; some " +
  "browsers turn it off in a mode of higher security.";

/**
 * Nothing can be fetched again by now, so whatever goes wrong here stays wrong.
 *
 * @param {WorkerClient} worker
 * @param {ArrayBuffer} squares
 * @param {number} tolerance
 */
async function selfTest(worker, squares, tolerance) {
  const difference = await worker.ask("selfTest", squares).catch((error) => {
    throw new Closed(`This browser cannot run the classifier. ${messageOf(error)}`);
  });
  if (difference <= tolerance) return;
  const off = Number.isFinite(difference)
    ? `a probability is off by ${difference.toFixed(4)}, ${tolerance} is allowed`
    : "its answers are no numbers";
  throw new Closed(
    `This copy of the classifier fails its self-test in this browser: ${off}. It answers nothing. Export it again.`,
  );
}

/** @param {string} file @param {{error?: string, outputs: Outputs}} answered @param {Facts} facts @returns {Prediction} */
function prediction(file, { error, outputs }, facts) {
  if (error) return { file, label: null, probability: null, probabilities: null, verdict: null, set: null, error };
  const { probabilities, unlikeness } = outputs;
  const verdict = decision(probabilities, unlikeness, facts);
  const named = Object.fromEntries(facts.classes.map((name, place) => [name, probabilities[place]]));
  if (facts.several_labels) {
    const found = verdict === UNFAMILIAR ? { labels: [], unsure: [] } : labelsOf(probabilities, facts);
    return { file, label: null, probability: null, probabilities: named, verdict, set: null, ...found, error: null };
  }
  const best = answer(probabilities, facts);
  const isAnswered = verdict === "answered";
  return {
    file,
    label: isAnswered ? facts.classes[best] : verdict,
    probability: isAnswered ? probabilities[best] : null,
    probabilities: named,
    verdict,
    set: setOf(probabilities, verdict, facts),
    error: null,
  };
}

/** @param {Facts} facts @returns {Model} */
function modelFrom({ classes, several_labels: several, recipe, decode, sets, web }) {
  return {
    classes,
    severalLabels: Array.isArray(several),
    recipe: recipe.name ?? null,
    imagePx: decode.image_px,
    measured: web.measured ?? null,
    maxError: web.max_error,
    sets: sets ? sets.coverage : null,
    detector: web.detector,
    heatMaps: web.heat_maps,
    report: null,
    group: { files: 1, bytes: LARGEST },
    largest: LARGEST,
  };
}

/** @returns {Promise<Blob>} */
async function none() {
  throw new Refused("There is none in this copy.", { again: false });
}
