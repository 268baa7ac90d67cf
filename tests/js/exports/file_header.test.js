import assert from "node:assert/strict";
import { test } from "node:test";
import { recognise } from "../../../src/pawsight/exports/static/file_header.js";

const LIMITS = { maxMegapixels: 50 };
const bytes = (...parts) =>
  Uint8Array.from(
    parts.flatMap((part) => (typeof part === "string" ? [...part].map((sign) => sign.charCodeAt(0)) : part)),
  );
const big = (number, size = 4) =>
  Array.from({ length: size }, (_, place) => (number >> (8 * (size - 1 - place))) & 255);
const little = (number, size = 4) => big(number, size).reverse();
const zeros = (number) => Array(number).fill(0);
const png = (width, height) =>
  bytes("\x89PNG\r\n\x1a\n", big(13), "IHDR", big(width), big(height), zeros(9), big(0), "IEND", zeros(4));
const frame = (width, height) => [0xff, 0xc0, ...big(11, 2), 8, ...big(height, 2), ...big(width, 2), 1, 1, 0x11, 0];
const scan = [0xff, 0xda, 0, 2];
const exif = (orientation) => {
  const entry = [...big(0x0112, 2), ...big(3, 2), ...big(1), ...big(orientation, 2), 0, 0];
  return [0xff, 0xe1, ...big(34, 2), ...bytes("Exif\0\0MM", [0, 42], big(8), big(1, 2)), ...entry, ...zeros(4)];
};
const jpeg = (...parts) => bytes([0xff, 0xd8], ...parts, [0xff, 0xd9]);

const refused = (data, limits = LIMITS) => {
  try {
    return recognise(data, limits);
  } catch (error) {
    return error.message;
  }
};

test("kind and size are those of the first bytes", () => {
  const files = [
    [png(300, 200), "PNG"],
    [bytes("GIF89a", little(300, 2), little(200, 2)), "GIF"],
    [bytes("BM", zeros(12), little(40), little(300), little(-200)), "BMP"],
    [bytes("RIFF", little(22), "WEBP", "VP8X", zeros(8), little(299, 3), little(199, 3)), "WEBP"],
    [bytes(zeros(4), "ftypavif", zeros(4), "ispe", zeros(4), big(300), big(200)), "AVIF"],
    [jpeg(frame(300, 200), scan), "JPEG"],
  ];
  for (const [data, kind] of files) {
    const { width, height, orientation, ...found } = recognise(data, LIMITS);
    assert.deepEqual([found.kind, width, height, orientation], [kind, 300, 200, 1]);
  }
});

test("the orientation of a JPEG is that of its EXIF, with the place where it stands", () => {
  const data = jpeg(exif(6), frame(300, 200), scan);
  const { orientation, turned } = recognise(data, LIMITS);
  assert.equal(orientation, 6);
  assert.deepEqual(turned, [{ value: 6, at: 30, little: false }]);
  assert.equal(data[31], 6);
});

test("what is no picture, or none that a browser reads, says what it is", () => {
  const files = {
    empty: bytes(),
    "not a picture": bytes("hello"),
    "PDF is not read": bytes("%PDF-1.7"),
    "HEIC is not read": bytes(zeros(4), "ftypheic", zeros(9)),
    "a video (MP4) is not read": bytes(zeros(4), "ftypisom", zeros(9)),
    "SVG is not read": bytes("<?xml version='1.0'?><svg>"),
    "TIFF is not read in a browser": bytes("II*\0", zeros(9)),
    truncated: png(300, 200).slice(0, 30),
    unreadable: png(0, 200),
  };
  for (const [reason, data] of Object.entries(files)) assert.equal(refused(data), reason);
  assert.ok(refused(bytes("<!DOCTYPE html>")).startsWith("a web page"));
});

test("no picture is unpacked that is larger than allowed, or has too many scans for its size", () => {
  assert.equal(refused(png(10_000, 6000)), "60.0 megapixels, 50 allowed");
  assert.equal(refused(png(30_000, 40_000)), "too large");
  assert.equal(recognise(png(10_000, 6000), { maxMegapixels: 60 }).width, 10_000);
  const scans = (number) => jpeg(frame(7000, 7000), Array(number).fill(scan).flat());
  assert.equal(recognise(scans(20), LIMITS).kind, "JPEG");
  assert.equal(refused(scans(21)), "too large");
});
