// The headers of a JPEG (ITU-T T.81, annex B; EXIF 2.3): size, orientation and its position, and the limit of scans.

import { latin, Unreadable } from "./bytes.js";

/** @typedef {{value: number, at: number, little: boolean}} Turned an orientation, its position and order of bytes */

const SCAN = 0xda;
const END = 0xd9;
const ORIENTATION = 0x0112;

/** @param {Uint8Array} bytes */
export function jpeg(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = { width: 0, height: 0, turned: /** @type {Turned[]} */ ([]) };
  let at = next(bytes, 2);
  while (bytes[at] !== SCAN) {
    const length = view.getUint16(at + 1);
    if (isFrame(bytes[at]) && !found.width)
      Object.assign(found, { height: view.getUint16(at + 4), width: view.getUint16(at + 6) });
    if (bytes[at] === 0xe1 && latin(bytes, at + 3, 6) === "Exif\0\0")
      found.turned.push(...orientation(view, at + 9, at + 1 + length));
    at = next(bytes, at + 1 + length);
  }
  const from = at + 1;
  if (!hasEnd(bytes, from)) throw new Unreadable("truncated");
  const [first] = found.turned;
  return {
    ...found,
    orientation: first ? first.value : 1,
    /** @param {number} allowed */ scans: (allowed) => hasMore(bytes, allowed),
  };
}

/**
 * The same file for a decoder that must not turn it: one that is told to leave EXIF alone may do so or not.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {Turned[]} turned
 */
export function unturned(bytes, turned) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { at, little } of turned) view.setUint16(at, 1, little);
  return bytes;
}

/** @param {Uint8Array} bytes @param {number} at */
function next(bytes, at) {
  let place = at;
  while (place < bytes.length && (bytes[place] !== 0xff || bytes[place + 1] === 0xff || bytes[place + 1] === 0))
    place += 1;
  if (place + 1 >= bytes.length || bytes[place + 1] === END) throw new Unreadable("truncated");
  return place + 1;
}

/** @param {number} marker */
function isFrame(marker) {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/** @param {Uint8Array} bytes @param {number} from */
function hasEnd(bytes, from) {
  for (let at = from; (at = bytes.indexOf(END, at)) > 0; at += 1) if (bytes[at - 1] === 0xff) return true;
  return false;
}

/**
 * Every scan passes over the whole picture, so that a small file of many keeps a decoder busy for long. Looked through
 * as libjpeg does, since a phone's short video behind the picture may hold any bytes.
 *
 * @param {Uint8Array} bytes
 * @param {number} allowed
 */
function hasMore(bytes, allowed) {
  let scans = 0;
  for (let at = 2; (at = bytes.indexOf(0xff, at)) >= 0 && at + 1 < bytes.length; ) {
    const marker = bytes[at + 1];
    if (marker === END) return false;
    const passes = marker < 0xc0 || (marker > 0xcf && marker < END) || marker === 0xff;
    if (marker === SCAN && (scans += 1) > allowed) return true;
    at += passes ? 1 : 2 + Math.max(2, (bytes[at + 2] << 8) | bytes[at + 3]);
  }
  return false;
}

/** @param {DataView} view @param {number} start @param {number} end @returns {Turned[]} */
function orientation(view, start, end) {
  if (end > view.byteLength || end - start < 8) return [];
  const little = view.getUint16(start) === 0x4949;
  const entries = start + view.getUint32(start + 4, little);
  if (entries + 2 > end) return [];
  for (let index = 0, number = view.getUint16(entries, little); index < number; index += 1) {
    const entry = entries + 2 + 12 * index;
    if (entry + 12 > end) return [];
    const value = view.getUint16(entry + 8, little);
    if (view.getUint16(entry, little) === ORIENTATION)
      return value >= 1 && value <= 8 ? [{ value, at: entry + 8, little }] : [];
  }
  return [];
}
