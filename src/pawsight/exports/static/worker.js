// The worker: decodes pictures and runs the model, one message {deed, given} after another, so that the page never freezes.
// It replies {value} or {trouble}.

import { Unreadable } from "./bytes.js";
import { decode } from "./decode.js";
import { painted } from "./heat_map.js";
import { messageOf } from "./words.js";

/** @import {Facts} from "./browser_backend.js" */
/**
 * What a worker is opened with: the address of ONNX Runtime's script, its WebAssembly, the model, and the facts.
 *
 * @typedef {{runtime: string, wasm: ArrayBuffer, graph: ArrayBuffer, facts: Facts}} Needs
 */
/** @typedef {{probabilities: number[], unlikeness: number | null}} Outputs */
/** @typedef {{facts: Facts, Tensor: any, session: any}} Opened */

/** @type {Promise<Opened> | undefined} */
let opened;
/** @type {Promise<unknown>} */
let before = Promise.resolve();
const deeds = { selfTest, classify, explain };

addEventListener("message", ({ data: { deed, given } }) => {
  before = before.then(() => (deed === "open" ? open(given) : done(deed, given)));
});

/** A failure is reported with the next message. @param {Needs} needs */
function open(needs) {
  opened = load(needs);
  opened.catch(() => {});
}

/** @param {keyof typeof deeds} deed @param {any} given */
async function done(deed, given) {
  try {
    postMessage({ value: await deeds[deed](given) });
  } catch (error) {
    postMessage(error instanceof Unreadable ? { value: { error: error.message } } : { trouble: messageOf(error) });
  }
}

/** @param {Needs} needs @returns {Promise<Opened>} */
async function load({ runtime, wasm, graph, facts }) {
  const { env, Tensor, InferenceSession } = await import(runtime);
  env.logLevel = "error";
  env.wasm.numThreads = 1; // more need headers that static hosts rarely send
  env.wasm.wasmBinary = wasm;
  const session = await InferenceSession.create(new Uint8Array(graph), { executionProviders: ["wasm"] });
  return { facts, Tensor, session };
}

/** @param {File} file @returns {Promise<{outputs: Outputs}>} */
async function classify(file) {
  return { outputs: await run(await square(file)) };
}

/** A PNG of the whole picture with the heat map of a class. @param {{file: File, place: number}} given of the class */
async function explain({ file, place }) {
  const { data, dims } = (await computed(await square(file))).heat;
  const [, height, width, classes] = dims;
  const values = Float32Array.from({ length: height * width }, (_, at) => data[classes * at + place]);
  return { blob: await painted(file, { width, height, values }) };
}

/**
 * Largest difference from the probabilities of the self-test when the classifier was exported; NaN for an invalid one.
 *
 * @param {ArrayBuffer} squares
 */
async function selfTest(squares) {
  const { probabilities, unlikeness } = (await ready()).facts.web.exam;
  const bytes = squares.byteLength / probabilities.length;
  let largest = 0;
  for (const [place, expected] of probabilities.entries()) {
    const found = await run(new Uint8Array(squares, place * bytes, bytes));
    largest = expected.reduce((most, value, at) => worse(most, found.probabilities[at] - value), largest);
    if (unlikeness) largest = worse(largest, (found.unlikeness ?? NaN) - unlikeness[place]);
  }
  return largest;
}

/** NaN where one of them is. @param {number} most @param {number} difference */
function worse(most, difference) {
  return Math.max(most, Math.abs(difference));
}

/** @param {File} file */
async function square(file) {
  const { image_px: side, max_megapixels: maxMegapixels, version } = (await ready()).facts.decode;
  return decode(file, { side, maxMegapixels, version });
}

/** @param {Uint8Array} pixels @returns {Promise<Outputs>} */
async function run(pixels) {
  const { probabilities, unlikeness } = await computed(pixels);
  return { probabilities: [...probabilities.data], unlikeness: unlikeness?.data[0] ?? null };
}

/** @param {Uint8Array} pixels of a square */
async function computed(pixels) {
  const { facts, Tensor, session } = await ready();
  const side = facts.decode.image_px;
  return session.run({ [facts.input.name]: new Tensor("uint8", pixels, [1, side, side, 3]) });
}

async function ready() {
  if (!opened) throw new Error("it was not opened");
  return opened;
}
