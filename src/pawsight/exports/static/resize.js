// Pillow's resize: the same pixels that the decoder in Python makes of the same picture.
//
// As Image.resize(size, BILINEAR, reducing_gap=2): means of whole blocks first (Reduce.c), then a triangle filter as wide as
// one new pixel, across and down, in fixed point with 22 bits (Resample.c).

/** @typedef {{width: number, height: number, data: Uint8ClampedArray<ArrayBuffer>}} Raster red, green, blue */

const BITS = 22;
const HALF = 1 << (BITS - 1);
const GAP = 2; // the blocks leave at least twice the pixels that are wanted

/** @param {Raster} raster @param {number} side */
export function square(raster, side) {
  const [across, down] = [raster.width, raster.height].map((length) => Math.trunc(length / side / GAP) || 1);
  const small = reduced(raster, across, down);
  /** @type {((raster: Raster) => Raster)[]} */
  const passes = [
    (before) =>
      before.width === side && across === 1
        ? before
        : stretchedAcross(before, side, Math.fround(raster.width / across)),
    (before) =>
      before.height === side && down === 1 ? before : stretchedDown(before, side, Math.fround(raster.height / down)),
  ];
  if (isTall(small, side)) passes.reverse();
  return passes.reduce((before, pass) => pass(before), small);
}

/**
 * Pillow 13 goes down first where that leaves much less for the other pass. Found by trying; it decides who rounds first.
 *
 * @param {Raster} raster
 * @param {number} side
 */
function isTall({ width, height }, side) {
  return height - side > Math.max(0, 2 * (width - side));
}

/**
 * Means of blocks of across x down pixels; those at the right and lower edge may be of fewer.
 *
 * @param {Raster} raster
 * @param {number} across
 * @param {number} down
 * @returns {Raster}
 */
export function reduced(raster, across, down) {
  if (across === 1 && down === 1) return raster;
  const { width, height, data } = raster;
  const [columns, rows] = [Math.ceil(width / across), Math.ceil(height / down)];
  const out = new Uint8ClampedArray(3 * columns * rows);
  const sums = new Uint32Array(3 * columns);
  for (let row = 0; row < rows; row += 1) {
    const last = Math.min((row + 1) * down, height);
    sums.fill(0);
    for (let y = row * down; y < last; y += 1) addBlocks(sums, data, 3 * y * width, width, across);
    for (let column = 0; column < columns; column += 1) {
      const pixels = (last - row * down) * (Math.min((column + 1) * across, width) - column * across);
      for (let channel = 0; channel < 3; channel += 1)
        out[3 * (row * columns + column) + channel] = mean(sums[3 * column + channel], pixels);
    }
  }
  return { width: columns, height: rows, data: out };
}

/**
 * @param {Uint32Array} sums
 * @param {Uint8ClampedArray} data
 * @param {number} start
 * @param {number} width
 * @param {number} across
 */
function addBlocks(sums, data, start, width, across) {
  let place = start;
  for (let x = 0, to = 0; x < width; to += 3) {
    const end = Math.min(x + across, width);
    for (; x < end; x += 1, place += 3) {
      sums[to] += data[place];
      sums[to + 1] += data[place + 1];
      sums[to + 2] += data[place + 2];
    }
  }
}

/** Pillow multiplies by a reciprocal that it found in single precision. @param {number} sum @param {number} pixels */
function mean(sum, pixels) {
  return Math.floor(((sum + (pixels >> 1)) * Math.trunc(Math.fround(2 ** 24 / pixels))) / 2 ** 24);
}

/**
 * For each new pixel: the first old one it draws on, how many, and their weights. `length` may end within a pixel.
 *
 * @param {number} count
 * @param {number} length
 * @param {number} side
 */
function weights(count, length, side) {
  const scale = length / side;
  const support = Math.max(scale, 1);
  const most = 2 * Math.ceil(support) + 1;
  const plan = { most, first: new Int32Array(side), number: new Int32Array(side), weight: new Int32Array(most * side) };
  for (let to = 0; to < side; to += 1) {
    const centre = (to + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const number = Math.min(count, Math.trunc(centre + support + 0.5)) - first;
    const raw = Array.from({ length: number }, (_, place) => triangle((place + first - centre + 0.5) * (1 / support)));
    const sum = raw.reduce((before, value) => before + value, 0);
    raw.forEach((value, place) => {
      plan.weight[most * to + place] = Math.trunc(0.5 + (sum ? value / sum : value) * (1 << BITS));
    });
    plan.first[to] = first;
    plan.number[to] = number;
  }
  return plan;
}

/** @param {number} distance */
function triangle(distance) {
  return Math.max(0, 1 - Math.abs(distance));
}

/** @param {Raster} raster @param {number} side @param {number} length @returns {Raster} */
function stretchedAcross({ width, height, data }, side, length) {
  const { most, first, number, weight } = weights(width, length, side);
  const out = new Uint8ClampedArray(3 * side * height);
  for (let y = 0, to = 0; y < height; y += 1) {
    for (let column = 0; column < side; column += 1, to += 3) {
      let place = 3 * (y * width + first[column]);
      let [red, green, blue] = [HALF, HALF, HALF];
      for (let at = most * column, end = at + number[column]; at < end; at += 1, place += 3) {
        red += data[place] * weight[at];
        green += data[place + 1] * weight[at];
        blue += data[place + 2] * weight[at];
      }
      out[to] = red >> BITS;
      out[to + 1] = green >> BITS;
      out[to + 2] = blue >> BITS;
    }
  }
  return { width: side, height, data: out };
}

/** @param {Raster} raster @param {number} side @param {number} length @returns {Raster} */
function stretchedDown({ width, height, data }, side, length) {
  const { most, first, number, weight } = weights(height, length, side);
  const out = new Uint8ClampedArray(3 * width * side);
  const sums = new Int32Array(3 * width);
  for (let line = 0; line < side; line += 1) {
    sums.fill(HALF);
    for (let row = 0; row < number[line]; row += 1) {
      const factor = weight[most * line + row];
      const start = 3 * width * (first[line] + row);
      for (let at = 0; at < sums.length; at += 1) sums[at] += data[start + at] * factor;
    }
    for (let at = 0; at < sums.length; at += 1) out[3 * width * line + at] = sums[at] >> BITS;
  }
  return { width, height: side, data: out };
}

/**
 * EXIF orientation of a square: which place of it each place of the upright one shows.
 *
 * @type {Record<number, (x: number, y: number, end: number) => [column: number, row: number]>}
 */
const TURNS = {
  2: (x, y, end) => [end - x, y],
  3: (x, y, end) => [end - x, end - y],
  4: (x, y, end) => [x, end - y],
  5: (x, y) => [y, x],
  6: (x, y, end) => [y, end - x],
  7: (x, y, end) => [end - y, end - x],
  8: (x, y, end) => [end - y, x],
};

/** @param {Raster} raster @param {number} orientation @returns {Raster} */
export function upright(raster, orientation) {
  const turn = TURNS[orientation];
  if (!turn) return raster;
  const { width: side, data } = raster;
  const out = new Uint8ClampedArray(data.length);
  for (let y = 0, to = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1, to += 3) {
      const [column, row] = turn(x, y, side - 1);
      out.set(data.subarray(3 * (row * side + column), 3 * (row * side + column) + 3), to);
    }
  }
  return { width: side, height: side, data: out };
}
