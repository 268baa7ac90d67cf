// Keeps the page, the model and the runtime in this browser, so that the page opens again without a network.
//
// The export fills in what it holds: other contents have another digest, so that a browser notices a new export and
// keeps it beside the old one until no tab shows that any more. The pages' own files are fetched at once; the model and
// the runtime as the page asks for them, so that nothing is loaded twice.

/** @type {{digest: string, page: string[], others: string[]}} addresses, relative to this script or absolute */
const HELD = { digest: "", page: [], others: [] };

const worker = /** @type {any} */ (globalThis); // a ServiceWorkerGlobalScope, which the types of a page do not have
/** @param {string} address */
const absolute = (address) => new URL(address, location.href).href;
const scope = absolute("./"); // a host may have other exports beside this one
const cacheName = `pawsight ${scope} ${HELD.digest}`;
const held = new Set([...HELD.page, ...HELD.others].map(absolute));

worker.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(fetchPage()));
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(takeOver()));
worker.addEventListener("message", (/** @type {any} */ event) => event.waitUntil(fetchMissed()));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { method, url } = event.request;
  if (method === "GET" && held.has(url.replace(/[?#].*$/, ""))) event.respondWith(answer(event));
});

async function fetchPage() {
  const cache = await caches.open(cacheName);
  await cache.addAll(HELD.page.map((address) => new Request(address, { cache: "no-cache" })));
}

// What the page fetched before this worker controlled it; mostly the browser has it still and asks no host.
async function fetchMissed() {
  const cache = await caches.open(cacheName);
  for (const address of HELD.others.map(absolute)) {
    if (!(await cache.match(address))) await cache.add(new Request(address, { cache: "force-cache" }));
  }
}

async function takeOver() {
  const old = (await caches.keys()).filter((name) => name.startsWith(`pawsight ${scope} `) && name !== cacheName);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** @param {any} event of a request for what is held */
async function answer(event) {
  const cache = await caches.open(cacheName);
  const kept = await cache.match(event.request, { ignoreSearch: true });
  if (kept) return kept;
  const response = await fetch(event.request);
  if (response.ok) event.waitUntil(cache.put(event.request, response.clone()));
  return response;
}
