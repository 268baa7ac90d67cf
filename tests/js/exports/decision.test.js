import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, decision, setOf } from "../../../src/pawsight/exports/static/decision.js";

const rules = { classes: ["a", "b", "c"], answer_from_probability: null, unlike_anything_seen_above: null };
const row = [0.2, 0.5, 0.3];

test("the likeliest class answers, with costs the one of least expected cost", () => {
  assert.equal(answer(row, {}), 1);
  // Calling a true c "b" costs 10: expected 3.2 of b, 0.8 of a, 0.7 of c.
  assert.equal(answer(row, { costs: [[2, 1, 10]] }), 2);
});

test("a threshold is reached by what equals it; each class may have its own, or none", () => {
  assert.equal(decision(row, null, { ...rules, answer_from_probability: 0.5 }), "answered");
  assert.equal(decision(row, null, { ...rules, answer_from_probability: 0.5001 }), "unsure");
  const each = (own) => decision(row, null, { ...rules, answer_from_probability_by_class: [0.1, own, 0.1] });
  assert.deepEqual([each(0.5), each(0.6), each(null)], ["answered", "unsure", "unsure"]);
});

test("what is too unlike, or has no valid score, is unfamiliar, and so is a class that is none", () => {
  const of = (score) => decision(row, score, { ...rules, unlike_anything_seen_above: 0.5 });
  assert.deepEqual([0.5, 0.6, null, NaN].map(of), ["answered", "unfamiliar", "unfamiliar", "unfamiliar"]);
  assert.equal(decision(row, null, { ...rules, none_class: "b" }), "unfamiliar");
});

test("a set holds the likeliest class and those that reach their threshold, the likeliest first", () => {
  const sets = { coverage: 0.9, from_probability: [0.3, 0.9, 0.1] };
  assert.deepEqual(setOf(row, "answered", { classes: rules.classes, sets }), ["b", "c"]);
  assert.equal(setOf(row, "unfamiliar", { classes: rules.classes, sets }), null);
  assert.equal(setOf(row, "answered", { classes: rules.classes, sets: null }), null);
});
