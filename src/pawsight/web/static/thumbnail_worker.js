// Makes one picture smaller: {file, type, options of createImageBitmap} -> a Blob, null where it cannot be decoded.

addEventListener("message", async ({ data: { file, type, options } }) => {
  postMessage(await smaller(file, type, options).catch(() => null));
});

/** @param {File} file @param {string} type @param {ImageBitmapOptions} options */
async function smaller(file, type, options) {
  const bitmap = await createImageBitmap(file, options);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("bitmaprenderer")?.transferFromImageBitmap(bitmap);
  return canvas.convertToBlob({ type, quality: 0.85 });
}
