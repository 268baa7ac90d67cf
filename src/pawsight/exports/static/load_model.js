// Fetches model, runtime and self-test, and then forbids the page every further request.

import { Closed, Refused } from "./backend.js";
import { element } from "./dom.js";

const SEALED =
  "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; " +
  "img-src blob: data:; media-src blob:; connect-src 'none'; base-uri 'none'; form-action 'none'";
const OFFLINE = "service_worker.js";
const PATIENCE_MS = 5000; // that the page waits for the service worker when it is opened first, which keeps what is fetched

/** @typedef {{address: string, bytes: number, integrity: string | null}} Part a file, its size, and its hash where it is elsewhere */
/** @typedef {(here: number, of: number) => void} Told hears how many bytes of all are here */

/** @param {Part[]} parts @param {Told} told @returns {Promise<ArrayBuffer[]>} */
export async function all(parts, told) {
  const here = parts.map(() => 0);
  const whole = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const stop = new AbortController();
  /** @param {number} place @returns {(bytes: number) => void} */
  const heard = (place) => (bytes) => {
    here[place] = bytes;
    const sum = here.reduce((before, own) => before + own, 0);
    if (!stop.signal.aborted) told(sum, whole);
  };
  try {
    return await Promise.all(parts.map((part, place) => contentOf(part, heard(place), stop.signal)));
  } finally {
    stop.abort(); // what is still under way where one of them failed
  }
}

/** @param {string} address */
export async function json(address) {
  return (await answer(address)).json();
}

/** Let the browser keep what is fetched from here on, so that the page opens offline; where it cannot, it fetches anew. */
export async function keep() {
  const { serviceWorker } = navigator; // undefined over plain http from another machine
  if (!serviceWorker) return;
  try {
    await serviceWorker.register(OFFLINE);
    if (serviceWorker.controller) return;
    await new Promise((resolve) => {
      serviceWorker.addEventListener("controllerchange", resolve, { once: true });
      setTimeout(resolve, PATIENCE_MS);
    });
    // A worker that comes later has not seen what is fetched meanwhile.
    if (!serviceWorker.controller) serviceWorker.ready.then(({ active }) => active?.postMessage("missed"));
  } catch {
    // a private window, or a browser without room
  }
}

/**
 * A module with all that it imports, as an address that needs no network: modules become blobs that import each other.
 *
 * A worker from the network has a policy of its own, that of its response; one from a blob has the page's, and so the
 * same bar against requests. Firefox asks the network for what such a worker imports, past the service worker.
 *
 * @param {URL} address
 * @param {Map<string, Promise<string>>} made those that are made already: a module is one, whoever imports it
 * @returns {Promise<string>}
 */
export function inBlobs(address, made = new Map()) {
  const before = made.get(address.href);
  if (before) return before;
  const blob = blobOf(address, made);
  made.set(address.href, blob);
  return blob;
}

/** @param {URL} address @param {Map<string, Promise<string>>} made */
async function blobOf(address, made) {
  let script = await (await answer(address.href)).text();
  for (const [, name] of script.matchAll(/^(?:import|}) .*from "\.\/([\w.]+)";$/gm)) {
    script = script.replace(`"./${name}"`, JSON.stringify(await inBlobs(new URL(name, address), made)));
  }
  return URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
}

/** From here on the browser refuses every request of this page and of the workers it starts: policies only ever add up. */
export function seal() {
  document.head.append(element("meta", { "http-equiv": "Content-Security-Policy", content: SEALED }));
}

/** @param {Part} part @param {(bytes: number) => void} heard @param {AbortSignal} signal */
async function contentOf({ address, bytes, integrity }, heard, signal) {
  const response = await answer(address, { integrity, signal });
  const content = integrity ? await response.arrayBuffer() : await streamed(response, bytes, heard);
  heard(bytes);
  return content;
}

/**
 * The browser hands over what has an integrity only once it has all of it, so there is no progress to tell.
 *
 * @param {string} address
 * @param {{integrity?: string | null, signal?: AbortSignal | null}} options
 */
async function answer(address, { integrity = null, signal = null } = {}) {
  /** @type {RequestInit} */
  const elsewhere = { integrity: integrity ?? "", mode: "cors", credentials: "omit", referrerPolicy: "no-referrer" };
  let response;
  try {
    response = await fetch(address, { signal, ...(integrity ? elsewhere : {}) });
  } catch {
    throw new Refused(`${address} cannot be fetched${integrity ? ", or is not the file it should be" : ""}.`);
  }
  if (response.status === 404 || response.status === 410)
    throw new Closed(`${address} is missing on this host (status ${response.status}). Copy the whole folder there.`);
  if (!response.ok) throw new Refused(`${address} cannot be fetched: status ${response.status}.`);
  return response;
}

/** @param {Response} response @param {number} bytes @param {(bytes: number) => void} heard */
async function streamed(response, bytes, heard) {
  const out = new Uint8Array(bytes);
  let here = 0;
  for await (const chunk of chunksOf(response)) {
    if (here + chunk.length > bytes) throw other(response, "larger");
    out.set(chunk, here);
    here += chunk.length;
    heard(here);
  }
  if (here < bytes) throw other(response, "smaller");
  return out.buffer;
}

/** A stream is no iterator in Safari yet. @param {Response} response */
async function* chunksOf({ body }) {
  const reader = body?.getReader();
  for (;;) {
    const { done = true, value } = (await reader?.read()) ?? {};
    if (done || !value) return;
    yield value;
  }
}

/** @param {Response} response @param {string} than */
function other({ url }, than) {
  return new Closed(
    `${url} is ${than} than it was when it was exported. Export it again, or copy the whole folder again.`,
  );
}
