// The worker: decodes pictures and runs the model, one message {deed, given} after another, so that the page never freezes.
// It replies {value} or {trouble}.

import { Unreadable } from "./bytes.js";
import { decode } from "./decode.js";

let settings = null;
let session = null;
let ort = null;
const deeds = { selfTest, classify };
let before = Promise.resolve();

addEventListener("message", ({ data: { deed, given } }) => {
  before = before.then(() => (deed === "open" ? open(given) : done(deeds[deed], given)));
});

// A failure is reported with the next message.
function open({ runtime, wasm, graph, facts }) {
  settings = facts;
  session = load(runtime, wasm, graph);
  session.catch(() => {});
}

async function done(deed, given) {
  try {
    postMessage({ value: await deed(given) });
  } catch (error) {
    postMessage({ trouble: String(error?.message ?? error) });
  }
}

async function load(runtime, wasm, graph) {
  ort = await import(runtime);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1; // more need headers that static hosts rarely send
  ort.env.wasm.wasmBinary = wasm;
  return ort.InferenceSession.create(new Uint8Array(graph), { executionProviders: ["wasm"] });
}

async function classify(file) {
  let square;
  try {
    const { image_px: side, max_megapixels: maxMegapixels, version } = settings.decode;
    square = await decode(file, { side, maxMegapixels, version });
  } catch (error) {
    if (error instanceof Unreadable) return { error: error.message };
    throw error;
  }
  return { outputs: await run(square) };
}

// Largest difference from the probabilities of the self-test when the classifier was exported; NaN for an invalid one.
async function selfTest(squares) {
  const { probabilities, unlikeness } = settings.web.exam;
  const bytes = squares.byteLength / probabilities.length;
  let largest = 0;
  for (const [place, expected] of probabilities.entries()) {
    const found = await run(new Uint8Array(squares, place * bytes, bytes));
    largest = expected.reduce((most, value, at) => worse(most, found.probabilities[at] - value), largest);
    if (unlikeness) largest = worse(largest, found.unlikeness - unlikeness[place]);
  }
  return largest;
}

// NaN where one of them is.
function worse(most, difference) {
  return Math.max(most, Math.abs(difference));
}

async function run(square) {
  const side = settings.decode.image_px;
  const { name } = settings.input;
  const outputs = await (await session).run({ [name]: new ort.Tensor("uint8", square, [1, side, side, 3]) });
  return { probabilities: [...outputs.probabilities.data], unlikeness: outputs.unlikeness?.data[0] ?? null };
}
