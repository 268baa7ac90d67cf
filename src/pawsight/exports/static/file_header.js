// Reads the kind, size and orientation of a file from its first bytes, before anything unpacks it.
//
// Throws Unreadable with the reasons that the command line gives.

import { latin, Unreadable } from "./bytes.js";
import { jpeg } from "./jpeg.js";

/** @import {Turned} from "./jpeg.js" */
/**
 * @typedef {object} Header
 * @property {string} kind
 * @property {number} width
 * @property {number} height
 * @property {number} orientation as EXIF numbers them, 1 for upright
 * @property {Turned[]} turned where the orientation is told
 */
/** @typedef {Pick<Header, "kind" | "width" | "height"> & Partial<Header> & {scans?: (allowed: number) => boolean}} Found */

const OTHERS = [
  ["%PDF", "PDF"],
  ["8BPS", "Photoshop (PSD)"],
  ["PK\x03\x04", "a zip archive"],
  ["\x1f\x8b", "a gzip archive"],
  ["Rar!", "a rar archive"],
  ["\xff\x0a", "JPEG XL"],
  ["\x00\x00\x00\x0cJXL ", "JPEG XL"],
  ["\x00\x00\x00\x0cjP  ", "JPEG 2000"],
  ["\x00\x00\x01\x00", "an icon (ICO)"],
  ["\x1a\x45\xdf\xa3", "a video (Matroska)"],
  ["FUJIFILMCCD-RAW", "Fujifilm raw (RAF)"],
];
/** @type {Record<string, string>} */
const BRANDS = {
  heic: "HEIC",
  heix: "HEIC",
  heim: "HEIC",
  heis: "HEIC",
  hevc: "HEIC",
  mif1: "HEIC",
  msf1: "HEIC",
  "crx ": "Canon raw (CR3)",
};
const MOST_MEGAPIXELS = 1000; // that any option allows: a file of more is no picture
const WEB_PAGE = "a web page in place of the picture, such as an error or a login: download the picture again"; // as images/decode.py says it
const BOXES_LOOKED_AT = 1 << 16; // bytes in which a picture of AVIF must have told its size

/** @param {Uint8Array} bytes @param {{maxMegapixels: number}} limits @returns {Header} */
export function recognise(bytes, { maxMegapixels }) {
  if (!bytes.length) throw new Unreadable("empty");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let found;
  try {
    found = look(view, bytes);
  } catch (error) {
    throw error instanceof RangeError ? new Unreadable("truncated") : error;
  }
  if (!(found.width > 0 && found.height > 0)) throw new Unreadable("unreadable");
  checkMegapixels(found, maxMegapixels);
  const scans = (1e9 * Math.max(1, maxMegapixels / 50)) / (found.width * found.height);
  if (found.scans?.(Math.floor(scans))) throw new Unreadable("too large");
  return { orientation: 1, turned: [], ...found };
}

/** @param {{width: number, height: number}} size @param {number} allowed megapixels */
export function checkMegapixels({ width, height }, allowed) {
  const megapixels = Math.ceil((width * height) / 1e5) / 10;
  if (width * height <= allowed * 1e6) return;
  throw new Unreadable(
    megapixels <= MOST_MEGAPIXELS ? `${megapixels.toFixed(1)} megapixels, ${allowed} allowed` : "too large",
  );
}

/** @param {DataView} view @param {Uint8Array} bytes @returns {Found} */
function look(view, bytes) {
  const start = latin(bytes, 0, 16);
  if (start.startsWith("\xff\xd8\xff")) return { kind: "JPEG", ...jpeg(bytes) };
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return png(view, bytes);
  if (/^GIF8[79]a/.test(start)) return { kind: "GIF", width: view.getUint16(6, true), height: view.getUint16(8, true) };
  if (start.startsWith("RIFF") && start.slice(8, 12) === "WEBP") return webp(view, bytes);
  if (start.startsWith("BM")) return bmp(view);
  if (start.slice(4, 8) === "ftyp") return boxed(view, bytes, start.slice(8, 12));
  if (/^(II\*\0|MM\0\*)/.test(start)) throw new Unreadable("TIFF is not read in a browser");
  throw new Unreadable(other(bytes, start));
}

/** @param {Uint8Array} bytes @param {string} start */
function other(bytes, start) {
  const known = OTHERS.find(([sign]) => start.startsWith(sign));
  const head = latin(bytes, 0, 512)
    .replace(/^\xef\xbb\xbf/, "")
    .trimStart()
    .toLowerCase();
  if (known) return `${known[1]} is not read`;
  if (head.startsWith("<svg") || (head.startsWith("<?xml") && head.includes("<svg"))) return "SVG is not read";
  return /^(<!doctype html|<html)/.test(head) ? WEB_PAGE : "not a picture";
}

/** @param {DataView} view @param {Uint8Array} bytes */
function png(view, bytes) {
  for (let at = 8; latin(bytes, at + 4, 4) !== "IEND"; at += 12 + view.getUint32(at))
    view.getUint32(at + 8 + view.getUint32(at));
  return { kind: "PNG", width: view.getUint32(16), height: view.getUint32(20) };
}

/** @param {DataView} view */
function bmp(view) {
  const old = view.getUint32(14, true) === 12;
  const [width, height] = old
    ? [view.getUint16(18, true), view.getUint16(20, true)]
    : [view.getInt32(18, true), view.getInt32(22, true)];
  return { kind: "BMP", width: Math.abs(width), height: Math.abs(height) };
}

/** @param {DataView} view @param {Uint8Array} bytes */
function webp(view, bytes) {
  if (view.getUint32(4, true) + 8 > bytes.length) throw new Unreadable("truncated");
  const kind = latin(bytes, 12, 4);
  /** @param {number} at */
  const three = (at) => (view.getUint16(at, true) | (view.getUint8(at + 2) << 16)) + 1;
  if (kind === "VP8X") return { kind: "WEBP", width: three(24), height: three(27) };
  if (kind === "VP8L") {
    const packed = view.getUint32(21, true);
    return { kind: "WEBP", width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1 };
  }
  return { kind: "WEBP", width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
}

/**
 * The largest size that any box `ispe` tells (ISO/IEC 23008-12, 6.5.3): thumbnails and alpha tell theirs too.
 *
 * @param {DataView} view
 * @param {Uint8Array} bytes
 * @param {string} brand
 */
function boxed(view, bytes, brand) {
  if (brand !== "avif" && brand !== "avis") throw new Unreadable(`${BRANDS[brand] ?? "a video (MP4)"} is not read`);
  const head = latin(bytes, 0, BOXES_LOOKED_AT);
  const sizes = [...head.matchAll(/ispe/g)].map(({ index }) => [view.getUint32(index + 8), view.getUint32(index + 12)]);
  const [width, height] = sizes.reduce(
    (largest, size) => (size[0] * size[1] > largest[0] * largest[1] ? size : largest),
    [0, 0],
  );
  return { kind: "AVIF", width, height };
}
