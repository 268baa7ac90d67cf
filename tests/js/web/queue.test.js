import assert from "node:assert/strict";
import { test } from "node:test";
import { Busy, Refused } from "../../../src/pawsight/web/static/backend.js";
import { Queue } from "../../../src/pawsight/web/static/queue.js";

/** Sends files of these names and sizes; the items once all are done. */
function sent(files, classify, limits = { group: { files: 4, bytes: 1000 }, largest: 100 }) {
  const items = files.map(([name, size]) => ({ file: { name, size } }));
  return new Promise((resolve) => {
    const changed = () => items.every((item) => item.state === "done") && resolve(items);
    const queue = new Queue({ classify, changed });
    queue.push(items);
    queue.open(limits);
  });
}

const right = (files) => files.map(({ name }) => ({ file: name, label: "x", probabilities: { x: 1 }, error: null }));

test("a busy backend is asked again, and of a refused group each picture is asked about alone", async () => {
  const sizes = [];
  const classify = async (files) => {
    sizes.push(files.length);
    if (sizes.length < 3) throw new Busy(0.01);
    if (files.some(({ name }) => name === "bad")) throw new Refused("Not like this.");
    return right(files);
  };
  const items = await sent(
    ["a", "bad", "c"].map((name) => [name, 1]),
    classify,
  );
  assert.deepEqual(
    items.map((item) => item.reason),
    [null, "Not like this", null],
  );
  assert.deepEqual(sizes, [3, 3, 3, 1, 1, 1]);
});

test("a group holds as many files and bytes as one call may, and at most two calls are under way", async () => {
  const groups = [];
  let [under, most] = [0, 0];
  const classify = async (files) => {
    groups.push(files.map(({ name }) => name).join(""));
    most = Math.max(most, (under += 1));
    await new Promise((resolve) => setTimeout(resolve, 1));
    under -= 1;
    return right(files);
  };
  const files = [..."abcdef"].map((name) => [name, name === "c" ? 90 : 40]);
  await sent(files, classify, { group: { files: 3, bytes: 150, overhead: 10 }, largest: 100 });
  assert.deepEqual(groups, ["ab", "cd", "ef"]);
  assert.equal(most, 2);
});

test("what is too large is told so and never sent; what the server lost may be tried again", async () => {
  const names = [];
  const classify = async (files) => {
    names.push(...files.map(({ name }) => name));
    return files.map(({ name }) => ({ file: name, error: "lost", code: name === "lost" ? "decoder-lost" : null }));
  };
  const [large, lost, bad] = await sent(
    [
      ["large", 101],
      ["lost", 1],
      ["bad", 1],
    ],
    classify,
  );
  assert.deepEqual(names, ["lost", "bad"]);
  assert.deepEqual([large.again, lost.again, bad.again], [false, true, false]);
  assert.equal(lost.code, "decoder-lost");
});
