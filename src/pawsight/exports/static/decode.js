// Decodes a file in the browser into the square that the classifier gets, as images/decode.py does.
//
// A File and the settings of the bundle become side x side x 3 bytes, or Unreadable is thrown. The browser unpacks the file;
// brings it from its colour profile to sRGB; turning, reducing and resizing are done here. Transparency is shown on white
// before the resize: afterwards it would round differently by one step or two.

import { Unreadable } from "./bytes.js";
import { checkMegapixels, recognise } from "./file_header.js";
import { unturned } from "./jpeg.js";
import { reduced, square, upright } from "./resize.js";

/** @import {Raster} from "./resize.js" */

const STRIP = 1 << 22; // pixels that are read from the browser's memory at once
const WITHOUT_PROFILES = 2; // version of the decoder that passed profiles over; its bundles are answered as before

/**
 * @param {Blob} file
 * @param {{side: number, maxMegapixels: number, version: number}} settings
 */
export async function decode(file, { side, maxMegapixels, version }) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const told = recognise(bytes, { maxMegapixels });
  const whole = told.turned.length ? new Blob([unturned(bytes, told.turned)]) : new Blob([bytes]);
  const bitmap = await unpacked(whole, version);
  try {
    checkMegapixels(bitmap, maxMegapixels);
    const raster = pixels(bitmap);
    const half = told.kind === "JPEG" ? drafted(raster, side) : raster;
    return new Uint8Array(upright(square(half, side), told.orientation).data.buffer);
  } finally {
    bitmap.close();
  }
}

/** @param {Blob} blob @param {number} version */
async function unpacked(blob, version) {
  const colorSpaceConversion = version <= WITHOUT_PROFILES ? "none" : "default";
  try {
    return await createImageBitmap(blob, { colorSpaceConversion, premultiplyAlpha: "default" });
  } catch {
    throw new Unreadable("unreadable");
  }
}

/**
 * Pillow lets libjpeg-turbo make a JPEG smaller while decoding, which takes means of 2, 4 or 8 pixels square.
 *
 * @param {Raster} raster
 * @param {number} side
 */
function drafted(raster, side) {
  const room = Math.min(Math.floor(raster.width / side), Math.floor(raster.height / side));
  const scale = [8, 4, 2].find((shrunk) => shrunk <= room) ?? 1;
  return reduced(raster, scale, scale);
}

/** @param {ImageBitmap} bitmap @returns {Raster} */
function pixels(bitmap) {
  const { width, height } = bitmap;
  const rows = Math.min(height, Math.max(1, Math.floor(STRIP / width)));
  const canvas = new OffscreenCanvas(width, rows).getContext("2d", { willReadFrequently: true });
  if (!canvas) throw new Unreadable("too large");
  canvas.fillStyle = "#fff";
  const data = new Uint8ClampedArray(3 * width * height);
  for (let top = 0; top < height; top += rows) {
    canvas.fillRect(0, 0, width, rows);
    canvas.drawImage(bitmap, 0, -top);
    copy(canvas.getImageData(0, 0, width, Math.min(rows, height - top)).data, data, 3 * width * top);
  }
  return { width, height, data };
}

/** @param {Uint8ClampedArray} from @param {Uint8ClampedArray} to @param {number} start */
function copy(from, to, start) {
  for (let at = 0, place = start; at < from.length; at += 4, place += 3) {
    to[place] = from[at];
    to[place + 1] = from[at + 1];
    to[place + 2] = from[at + 2];
  }
}
