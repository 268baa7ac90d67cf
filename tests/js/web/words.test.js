import assert from "node:assert/strict";
import { test } from "node:test";
import { printable, shortened } from "../../../src/pawsight/web/static/dom.js";
import {
  count,
  kindOf,
  mebibytes,
  messageOf,
  percent,
  ranked,
  sentence,
  spoken,
  tally,
} from "../../../src/pawsight/web/static/words.js";

const answered = (label, probability, verdict = "answered") => ({
  name: `${label}.jpg`,
  state: "done",
  reason: null,
  doubted: false,
  prediction: { label, verdict, probability, probabilities: { [label]: probability, other: 1 - probability } },
});
const waiting = { state: "waiting", reason: null, prediction: null };
const failed = { name: "a.jpg", state: "done", reason: "not a picture", code: "unreadable-picture", prediction: null };

test("a share is never rounded to all or to nothing", () => {
  const shares = [0, 0.0004, 0.001, 0.5, 0.999, 0.9996, 1];
  const shown = ["0.0", "< 0.1", "0.1", "50.0", "99.9", "> 99.9", "100.0"];
  assert.deepEqual(
    shares.map(percent),
    shown.map((text) => `${text}\u00a0%`),
  );
});

test("numbers have their unit and their plural", () => {
  assert.equal(mebibytes(1_572_864), "1.5\u00a0MiB");
  assert.deepEqual(
    [count(1, "picture"), count(1234, "picture"), count(2, "class", "classes")],
    ["1\u00a0picture", "1,234\u00a0pictures", "2\u00a0classes"],
  );
});

test("the likeliest class comes first", () => {
  assert.deepEqual(ranked({ ant: 0.2, bee: 0.7, cat: 0.1 }), [
    ["bee", 0.7],
    ["ant", 0.2],
    ["cat", 0.1],
  ]);
});

test("every picture is of one kind, and the threshold of the user makes an answer unsure", () => {
  const cases = [
    [waiting, "waiting"],
    [{ ...waiting, state: "asking" }, "waiting"],
    [failed, "error"],
    [answered("cat", 0.9), "answer"],
    [{ ...answered("cat", 0.9), doubted: true }, "unsure"],
    [answered("cat", 0.9, "unsure"), "unsure"],
    [answered("cat", 0.9, "unfamiliar"), "unlike"],
  ];
  assert.deepEqual(
    cases.map(([item]) => kindOf(item)),
    cases.map(([, kind]) => kind),
  );
});

test("labels are counted before what is none, the commonest first", () => {
  const items = [answered("cat", 0.9), answered("dog", 0.8), answered("dog", 0.7), failed, failed, failed];
  const rows = tally(items).map(([key, , number]) => [key, number]);
  assert.deepEqual(rows, [
    ["label dog", 2],
    ["label cat", 1],
    ["error", 3],
  ]);
});

test("the sentence of an error follows its code and the kind of file, never its text", () => {
  const of = (name, code) => sentence({ name, code, reason: "whatever" });
  const kinds = ["a.heic", "a.JPG", "a.txt"].map((name) => of(name, "unreadable-picture"));
  assert.equal(new Set([...kinds, of("a.jpg", "decoder-lost")]).size, 4);
  assert.equal(of("a.jpg", null), "Whatever.");
});

test("what is read out names the picture, without signs that turn the text around", () => {
  assert.ok(spoken(answered("cat", 0.9)).includes("90.0\u00a0%"));
  assert.ok(spoken({ ...failed, name: "a\u202eb.jpg" }).startsWith("a\ufffdb.jpg"));
});

test("names from outside are made harmless and shortened in their middle", () => {
  const family = "\u{1f469}\u200d\u{1f469}\u200d\u{1f467}";
  assert.equal(printable("a\u202eb\u0000c\n"), "a\ufffdb\ufffdc\ufffd");
  assert.equal(shortened("short", 9), "short");
  assert.equal(shortened("abcdefghijklmnop.jpg", 12), "abcdefg\u2026.jpg");
  assert.equal(shortened(family.repeat(9), 5), `${family.repeat(2)}\u2026${family.repeat(2)}`);
});

test("whatever is thrown has a message", () => {
  assert.deepEqual([messageOf(new Error("no")), messageOf("text"), messageOf(null)], ["no", "text", "null"]);
});
