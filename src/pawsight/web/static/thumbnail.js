// Thumbnails, made one after another so that a hundred photographs do not fill the memory.
//
// A File, or a heat map with its size, becomes the address of a picture with its size, or null where this browser cannot
// show the file; the classifier may still read it.

const SIDE = 720; // pixels of the longer side
const AS_IT_IS = 2_000_000; // pixels that are not worth making smaller
const TOO_MANY = 100_000_000; // pixels: no photograph, and the tab might not survive it
const OPAQUE = /^image\/jpeg$/;
let before = Promise.resolve();

export function thumbnail(file) {
  before = before.then(() => small(file)).catch(() => null);
  return before;
}

// The heat map in the shape of the thumbnail that it will lie on.
export async function fitted(blob, { width, height }) {
  const { image, address } = await loaded(blob);
  try {
    return await drawn(image, width, height, "image/webp");
  } finally {
    URL.revokeObjectURL(address);
  }
}

async function small(file) {
  const { image, address } = await loaded(file);
  const { naturalWidth: width, naturalHeight: height } = image;
  if (width * height <= AS_IT_IS) return { url: address, width, height };
  try {
    if (width * height > TOO_MANY) return null;
    const scale = SIDE / Math.max(width, height);
    const sides = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
    return await drawn(image, ...sides, OPAQUE.test(file.type) ? "image/jpeg" : "image/webp");
  } finally {
    URL.revokeObjectURL(address);
  }
}

async function loaded(blob) {
  const address = URL.createObjectURL(blob);
  const image = new Image();
  try {
    await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject, src: address }));
    return { image, address };
  } catch (error) {
    URL.revokeObjectURL(address);
    throw error;
  }
}

async function drawn(image, width, height, type) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(image, 0, 0, width, height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, type, 0.85));
  return { url: URL.createObjectURL(blob), width, height };
}
