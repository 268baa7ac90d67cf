import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { all, inBlobs } from "../../../src/pawsight/exports/static/load_model.js";
import { Closed, Refused } from "../../../src/pawsight/web/static/backend.js";

afterEach(() => mock.restoreAll());

/** A host that has these files, each in chunks of three bytes. */
function host(files) {
  mock.method(globalThis, "fetch", async (address, { signal }) => {
    signal?.throwIfAborted();
    if (!(address in files)) return new Response("", { status: 404 });
    const body = new ReadableStream({
      start(controller) {
        for (let at = 0; at < files[address].length; at += 3) controller.enqueue(files[address].slice(at, at + 3));
        controller.close();
      },
    });
    return new Response(body);
  });
}

const part = (address, bytes) => ({ address, bytes, integrity: null });

test("progress counts the bytes of all files, and never beyond them", async () => {
  host({ a: Uint8Array.of(1, 2, 3, 4, 5), b: Uint8Array.of(6, 7) });
  const told = [];
  const [a, b] = await all([part("a", 5), part("b", 2)], (here, of) => told.push([here, of]));
  assert.deepEqual([...new Uint8Array(a), ...new Uint8Array(b)], [1, 2, 3, 4, 5, 6, 7]);
  assert.ok(told.every(([here, of], place) => of === 7 && here >= (told[place - 1]?.[0] ?? 0)));
  assert.deepEqual(told.at(-1), [7, 7]);
  assert.ok(told.length >= 3);
});

test("a missing file, and one of another size, will never do; a host that is gone may come back", async () => {
  host({ a: Uint8Array.of(1, 2, 3, 4, 5) });
  const got = (...parts) => all(parts, () => {}).catch((error) => error);
  for (const wrong of [part("none", 1), part("a", 4), part("a", 6)]) assert.ok((await got(wrong)) instanceof Closed);
  mock.method(globalThis, "fetch", async () => Promise.reject(new TypeError("gone")));
  const gone = await got(part("a", 5));
  assert.ok(gone instanceof Refused && !(gone instanceof Closed));
});

test("modules become blobs that import each other, each of them once", async () => {
  const scripts = {
    "http://host/a.js": 'import { b } from "./b.js";\nimport {\n  c,\n} from "./c.js";\n// from "./d.js";\n',
    "http://host/b.js": 'import { c } from "./c.js";\n',
    "http://host/c.js": "export const c = 1;\n",
  };
  host(Object.fromEntries(Object.entries(scripts).map(([name, text]) => [name, new TextEncoder().encode(text)])));
  const made = new Map();
  const address = await inBlobs(new URL("http://host/a.js"), made);
  assert.equal(made.size, 3);
  const [b, c] = await Promise.all(["b", "c"].map((name) => made.get(`http://host/${name}.js`)));
  const text = async (blob) => (await import("node:buffer")).resolveObjectURL(blob).text();
  assert.equal(await text(address), `import { b } from "${b}";\nimport {\n  c,\n} from "${c}";\n// from "./d.js";\n`);
  assert.equal(await text(b), `import { c } from "${c}";\n`);
});
