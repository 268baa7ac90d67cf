// Fetches model, runtime and self-test, and then forbids the page every further request.

import { Closed, Refused } from "./backend.js";

const SEALED =
  "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; " +
  "img-src blob: data:; media-src blob:; connect-src 'none'; base-uri 'none'; form-action 'none'";

// [{address, bytes, integrity}] -> Promise of [ArrayBuffer]; `told` hears how many bytes of all are here.
export async function all(parts, told) {
  const here = parts.map(() => 0);
  const stop = new AbortController();
  const heard = (place) => (bytes) => {
    here[place] = bytes;
    if (!stop.signal.aborted)
      told(
        here.reduce((sum, one) => sum + one, 0),
        parts.reduce((sum, { bytes: one }) => sum + one, 0),
      );
  };
  try {
    return await Promise.all(parts.map((part, place) => one(part, heard(place), stop.signal)));
  } finally {
    stop.abort(); // what is still under way where one of them failed
  }
}

export async function json(address) {
  return (await answer(address)).json();
}

// From here on the browser refuses every request of this page and of the workers it starts: policies only ever add up.
export function seal() {
  const meta = document.createElement("meta");
  meta.httpEquiv = "Content-Security-Policy";
  meta.content = SEALED;
  document.head.append(meta);
}

async function one({ address, bytes, integrity }, heard, signal) {
  const response = await answer(address, { integrity, signal });
  const content = integrity ? await response.arrayBuffer() : await streamed(response, bytes, heard);
  heard(bytes);
  return content;
}

// The browser hands over what has an integrity only once it has all of it, so there is no progress to tell.
async function answer(address, { integrity = null, signal = null } = {}) {
  const options = integrity
    ? { signal, integrity, mode: "cors", credentials: "omit", referrerPolicy: "no-referrer" }
    : { signal };
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Refused(`${address} cannot be fetched${integrity ? ", or is not the file it should be" : ""}.`);
  }
  if (!response.ok) throw new Refused(`${address} cannot be fetched: status ${response.status}.`);
  return response;
}

async function streamed(response, bytes, heard) {
  const out = new Uint8Array(bytes);
  let here = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if (here + value.length > bytes)
      throw new Closed(`${response.url} is larger than it was when it was exported. Export it again.`);
    out.set(value, here);
    here += value.length;
    heard(here);
  }
  if (here < bytes) throw new Closed(`${response.url} is smaller than it was when it was exported. Export it again.`);
  return out.buffer;
}
