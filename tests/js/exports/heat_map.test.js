// The numbers are those of explanation/heatmap.py and explanation/overlay.py for the same map.

import assert from "node:assert/strict";
import { test } from "node:test";
import { colourOf, coreLevel, finer, paint } from "../../../src/pawsight/exports/static/heat_map.js";

const HEAT = { width: 3, height: 3, values: Float32Array.from([-1, 0.5, 2, 0, 1, 4, 0.25, -2, 3]) };
const SILENT = { width: 2, height: 2, values: Float32Array.from([-1, -2, 0, -4]) };

test("a map is interpolated as in Python, and only what speaks for the class counts", () => {
  const found = finer(HEAT, 6, 4);
  const expected = [
    0, 0, 0.0093, 0.2175, 0.404, 0.4921, 0, 0, 0.1346, 0.3969, 0.7106, 0.8587, 0.0451, 0.0078, 0, 0.1829, 0.7379, 1,
    0.116, 0, 0, 0, 0.469, 0.8274,
  ];
  for (const [place, value] of expected.entries()) assert.ok(Math.abs(found[place] - value) < 1e-4, `at ${place}`);
  assert.ok(Math.abs(coreLevel(HEAT) - 0.66535) < 1e-4);
  assert.deepEqual([...finer(SILENT, 3, 1)], [0, 0, 0]);
});

test("colours go from violet to yellow", () => {
  assert.deepEqual([0, 0.5, 1].map(colourOf), [
    [87, 16, 110],
    [224.5, 88.5, 51.5],
    [252, 255, 164],
  ]);
});

test("the picture turns grey, heat has colour, and a white line surrounds the half of it", () => {
  const picture = () => Uint8ClampedArray.from({ length: 4 * 60 * 40 }, (_, place) => [200, 100, 0, 255][place % 4]);
  const [cold, hot] = [picture(), picture()];
  paint(cold, SILENT, 60, 40);
  assert.deepEqual([...new Set(cold)], [101, 255]); // 0.85 * (0.299 * 200 + 0.587 * 100), and no transparency
  paint(hot, HEAT, 60, 40);
  const pixels = Array.from({ length: 60 * 40 }, (_, place) => [...hot.slice(4 * place, 4 * place + 3)].join());
  assert.equal(pixels[0], "101,101,101");
  const white = pixels.filter((pixel) => pixel === "255,255,255").length;
  assert.ok(white > 60 && white < 600, `${white} on the line`);
  const [red, , blue] = pixels[28 * 60 + 59].split(",");
  assert.ok(Number(red) - Number(blue) > 20);
});
