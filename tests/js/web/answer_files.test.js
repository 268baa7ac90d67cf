import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { csv, json, patch } from "../../../src/pawsight/web/static/answer_files.js";

const prediction = { label: "cat", verdict: "answered", probability: 0.75, probabilities: { cat: 0.75, dog: 0.25 } };
const cat = { name: '=a,"b".jpg', reason: null, code: null, doubted: false, prediction };
const bad = { name: "bad.jpg", reason: "truncated", code: "unreadable-picture", doubted: false, prediction: null };

test("a spreadsheet gets no formula, and quotes and commas stay in their cell", () => {
  const [header, first, second] = csv([cat, bad], ["cat", "dog"]).slice(1).split("\r\n");
  assert.equal(header, "file,label,probability,verdict,error,cat,dog");
  assert.equal(first, `"'=a,""b"".jpg",cat,0.75,answered,,0.75,0.25`);
  assert.equal(second, "bad.jpg,,,,truncated,,");
});

test("an answer below the threshold of the user is unsure in both files", () => {
  const doubted = { ...cat, doubted: true };
  const { predictions } = JSON.parse(json([doubted, bad], { classes: ["cat", "dog"], recipe: "probe" }));
  assert.deepEqual(
    predictions.map(({ label, probability, decision, error }) => [label, probability, decision, error]),
    [
      ["unsure", null, "unsure", null],
      [null, null, null, "truncated"],
    ],
  );
  assert.ok(csv([doubted], ["cat"]).includes(",unsure,,unsure,"));
});

test("a label patch knows a picture by the digest of its bytes", async () => {
  const file = new Blob(["picture"]);
  const when = "2026-11-29T12:00:00Z";
  const lines = (
    await patch([
      { name: "a.jpg", file, truth: "dog", judged: when },
      { name: "b.jpg", file, truth: null, judged: when },
    ])
  ).split("\r\n");
  const sha256 = createHash("sha256").update("picture").digest("hex");
  assert.deepEqual(lines, [
    "path,sha256,action,label,when",
    `a.jpg,${sha256},relabel,dog,${when}`,
    `b.jpg,${sha256},drop,,${when}`,
    "",
  ]);
});
