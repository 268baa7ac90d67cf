// Whole pictures, bit for bit, are compared with Pillow in tests/exports/test_web_decoding.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { reduced, square, upright } from "../../../src/pawsight/exports/static/resize.js";

const raster = (width, height, value) => ({
  width,
  height,
  data: Uint8ClampedArray.from({ length: 3 * width * height }, (_, place) => value(place)),
});

test("a square has the values that Pillow 13 gives", () => {
  const small = square(
    raster(7, 5, (place) => (37 * place) % 256),
    3,
  );
  assert.deepEqual(
    [...small.data],
    [
      99, 81, 118, 141, 118, 95, 118, 155, 137, 113, 95, 132, 155, 132, 109, 132, 169, 151, 96, 109, 146, 135, 112, 123,
      146, 152, 113,
    ],
  );
  const large = square(
    raster(14, 12, (place) => (37 * place) % 256),
    3,
  ); // blocks of 2 x 2 first
  assert.deepEqual(
    [...large.data],
    [
      108, 110, 129, 128, 125, 119, 148, 144, 134, 127, 133, 129, 118, 118, 127, 135, 130, 125, 137, 123, 130, 123, 136,
      135, 126, 115, 125,
    ],
  );
});

test("blocks at the edge are means of the pixels that they have", () => {
  const { width, height, data } = reduced(
    raster(3, 1, (place) => 30 * place),
    2,
    2,
  );
  assert.deepEqual([width, height, [...data]], [2, 1, [45, 75, 105, 180, 210, 240]]);
});

test("each orientation puts the corners where EXIF says", () => {
  const corners = raster(2, 2, (place) => Math.trunc(place / 3)); // 0 1 / 2 3
  const turned = [1, 2, 3, 4, 5, 6, 7, 8].map((orientation) => upright(corners, orientation).data);
  const shown = turned.map((data) => [0, 3, 6, 9].map((place) => data[place]).join(""));
  assert.deepEqual(shown, ["0123", "1032", "3210", "2301", "0213", "2031", "3120", "1302"]);
});
