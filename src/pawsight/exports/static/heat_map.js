// Draws a heat map on its picture, as explanation/overlay.py does: the picture turns grey, colours go from violet over
// orange to yellow, a white line surrounds the smallest area that holds half of the heat.

import { Unreadable } from "./bytes.js";

/** @typedef {{width: number, height: number, values: Float32Array}} Heat values over the whole picture, above 0 for the class */

const [LEAST_PX, LARGEST_PX] = [320, 640]; // longer side of what is drawn
const OPAQUE = 0.6; // opacity of the colour where the heat is greatest
const FAINT = 0.1; // heat below which nothing is painted
const DIMMED = 0.85; // brightness of the grey picture
const LINE_PX = 2;
const FINE = 96; // cells along each side of the grid on which areas are measured
const CORE = 0.5; // share of the heat within the line
const COLOURS = [
  [87, 16, 110],
  [120, 28, 109],
  [154, 43, 97],
  [187, 55, 84],
  [212, 72, 66],
  [237, 105, 37],
  [246, 137, 15],
  [251, 175, 17],
  [247, 213, 60],
  [252, 255, 164],
];

/** A PNG of the picture under the heat. @param {Blob} file @param {Heat} heat */
export async function painted(file, heat) {
  const bitmap = await createImageBitmap(file);
  const longest = Math.max(bitmap.width, bitmap.height);
  const factor = Math.min(Math.max(longest, LEAST_PX), LARGEST_PX) / longest;
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * factor)));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Unreadable("too large");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const image = context.getImageData(0, 0, width, height);
  paint(image.data, heat, width, height);
  context.putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** @param {Uint8ClampedArray} pixels red, green, blue, alpha; changed @param {Heat} heat @param {number} width @param {number} height */
export function paint(pixels, heat, width, height) {
  const values = finer(heat, width, height);
  const level = coreLevel(heat);
  for (let at = 0; at < values.length; at += 1) {
    const place = 4 * at;
    const grey = DIMMED * (0.299 * pixels[place] + 0.587 * pixels[place + 1] + 0.114 * pixels[place + 2]);
    const share = OPAQUE * Math.max(0, (values[at] - FAINT) / (1 - FAINT)) ** 0.7;
    const colour = isOnLine(values, at, width, level) ? [255, 255, 255] : null;
    const heated = colour ?? colourOf(values[at]).map((value) => grey + share * (value - grey));
    for (let channel = 0; channel < 3; channel += 1) pixels[place + channel] = heated[channel];
  }
}

/**
 * The positive part on another grid, from 0 to 1, the largest 1; all 0 where nothing speaks for the class.
 *
 * @param {Heat} heat
 * @param {number} width
 * @param {number} height
 */
export function finer(heat, width, height) {
  if (!heat.values.some((value) => value > 0)) return new Float32Array(width * height); // interpolation overshoots
  const across = stretched(heat.values, heat.width, heat.height, width);
  const values = stretched(across, heat.height, width, height);
  const most = values.reduce((before, value) => Math.max(before, value), 0);
  return values.map((value) => Math.max(0, value) / most);
}

/**
 * Rows of another length by cubic interpolation (Keys 1981, a = -0.5), turned: rows become columns.
 *
 * @param {Float32Array} values (rows, length)
 * @param {number} length
 * @param {number} rows
 * @param {number} wanted
 * @returns {Float32Array} (wanted, rows)
 */
function stretched(values, length, rows, wanted) {
  const out = new Float32Array(wanted * rows);
  const scale = Math.max(1, length / wanted);
  for (let to = 0; to < wanted; to += 1) {
    const centre = ((to + 0.5) * length) / wanted;
    const first = Math.max(0, Math.trunc(centre - 2 * scale + 0.5));
    const last = Math.min(length, Math.trunc(centre + 2 * scale + 0.5));
    const weights = Array.from({ length: last - first }, (_, at) => cubic((at + first - centre + 0.5) / scale));
    const sum = weights.reduce((before, weight) => before + weight, 0);
    for (let row = 0; row < rows; row += 1) {
      const total = weights.reduce((before, weight, at) => before + weight * values[row * length + first + at], 0);
      out[to * rows + row] = total / sum;
    }
  }
  return out;
}

/** @param {number} distance */
function cubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/** The value above which half of the positive heat lies. @param {Heat} heat */
export function coreLevel(heat) {
  const falling = finer(heat, FINE, FINE).sort().reverse();
  const half = CORE * falling.reduce((before, value) => before + value, 0);
  let sum = 0;
  return falling.find((value) => (sum += value) >= half) ?? 0;
}

/** Whether a pixel is inside the area and near what is not. @param {Float32Array} values @param {number} at @param {number} width @param {number} level */
function isOnLine(values, at, width, level) {
  if (!(level > 0) || values[at] < level) return false;
  const [height, x, y] = [values.length / width, at % width, Math.floor(at / width)];
  for (let row = Math.max(0, y - LINE_PX); row <= Math.min(height - 1, y + LINE_PX); row += 1) {
    for (let column = Math.max(0, x - LINE_PX); column <= Math.min(width - 1, x + LINE_PX); column += 1) {
      if (values[row * width + column] < level) return true;
    }
  }
  return false;
}

/** @param {number} value from 0 to 1 */
export function colourOf(value) {
  const place = value * (COLOURS.length - 1);
  const below = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[below].map((channel, at) => channel + (place - below) * (COLOURS[below + 1][at] - channel));
}
