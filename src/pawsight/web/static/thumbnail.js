// Thumbnails, made one after another so that a hundred photographs do not fill the memory, and by a worker so that the
// page stays free meanwhile.
//
// A File becomes {url, width, height}: the address of a small picture, and the size of the file's own. Null where this
// browser cannot show the file; the classifier may still read it.

/** @import {Thumbnail} from "./backend.js" */

const SIDE = 640; // pixels of the longer side
const AS_IT_IS = 400_000; // pixels that are not worth making smaller
const TOO_MANY = 100_000_000; // pixels: no photograph, and the tab might not survive it
const OPAQUE = /^image\/jpeg$/;
/** @type {Promise<Thumbnail | null>} */
let before = Promise.resolve(null);
const worker = new Worker(new URL("./thumbnail_worker.js", import.meta.url)); // at once: the browser export asks for nothing later

/** @param {File} file */
export function thumbnail(file) {
  before = before.then(() => small(file)).catch(() => null);
  return before;
}

/** @param {File} file @returns {Promise<Thumbnail | null>} */
async function small(file) {
  const { url, width, height } = await measured(file);
  if (width * height <= AS_IT_IS) return { url, width, height };
  URL.revokeObjectURL(url);
  if (width * height > TOO_MANY) return null;
  const scale = SIDE / Math.max(width, height);
  const [resizeWidth, resizeHeight] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const type = OPAQUE.test(file.type) ? "image/jpeg" : "image/webp";
  const blob = await drawn({ file, type, options: { resizeWidth, resizeHeight, resizeQuality: "medium" } });
  return blob && { url: URL.createObjectURL(blob), width, height };
}

/** A picture's address and size, which is in the first bytes: nothing is decoded for it. @param {Blob} file */
export async function measured(file) {
  const url = URL.createObjectURL(file);
  const image = new Image();
  try {
    await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject, src: url }));
    return { url, width: image.naturalWidth, height: image.naturalHeight };
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  }
}

/** @param {{file: File, type: string, options: ImageBitmapOptions}} job @returns {Promise<Blob | null>} */
function drawn(job) {
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = () => resolve(null);
    worker.postMessage(job);
  });
}
