import assert from "node:assert/strict";
import { test } from "node:test";

import { keysOf } from "../../../src/pawsight/web/static/name_keys.js";

test("names take the digits from 1 to 9 and 0 in their order, and the eleventh has none", () => {
  const names = [..."abcdefghijk"];
  const keys = keysOf(names);
  assert.equal(keys.get("1"), "a");
  assert.equal(keys.get("0"), "j");
  assert.equal(keys.size, 10);
});

test("a name that is a digit has its own key, wherever it stands", () => {
  assert.deepEqual([...keysOf(["cat", "3", "1", "dog"])].sort(), [
    ["1", "1"],
    ["2", "cat"],
    ["3", "3"],
    ["4", "dog"],
  ]);
  assert.equal(keysOf([]).size, 0);
});
