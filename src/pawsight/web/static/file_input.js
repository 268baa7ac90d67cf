// Files that are dropped, pasted or chosen.

import { at } from "./dom.js";

/** @typedef {(files: File[]) => void} Found */

const MOST = 5000; // files from dropped folders
const PICTURE = /\.(avif|bmp|gif|heic|heif|jpe?g|mpo|png|tiff?|webp)$/i;

/** @param {Found} found */
export function takeIn(found) {
  choosing(found);
  pasting(found);
  dropping(found);
}

/** @param {Found} found */
function choosing(found) {
  for (const input of [at("files"), at("snapshot")]) {
    input.addEventListener("change", () => {
      found([...(input.files ?? [])]);
      input.value = ""; // the same file may be chosen again
    });
  }
  at("choose").addEventListener("click", () => at("files").click());
}

/** @param {Found} found */
function pasting(found) {
  let number = 0;
  if (/Mac|iPhone|iPad/.test(navigator.platform)) at("paste-key").textContent = "\u2318";
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || /** @type {Element} */ (event.target).closest?.("input")) return;
    event.preventDefault();
    found(files.map((file) => (file.name && file.name !== "image.png" ? file : renamed(file, (number += 1)))));
  });
}

/** @param {File} file @param {number} number */
function renamed(file, number) {
  const kind = /^image\/([a-z]+)/.exec(file.type)?.[1] ?? "png";
  return new File([file], `pasted-${number}.${kind}`, { type: file.type });
}

/** @param {Found} found */
function dropping(found) {
  let depth = 0;
  /** @param {boolean} shown */
  const over = (shown) => at("over").classList.toggle("shown", shown);
  /** @param {DragEvent} event */
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => {
    if (holdsFiles(event)) over((depth += 1) > 0);
  });
  addEventListener("dragleave", (event) => {
    if (holdsFiles(event)) over((depth = Math.max(0, depth - 1)) > 0);
  });
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer || !holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", async (event) => {
    over((depth = 0) > 0);
    if (!event.dataTransfer || !holdsFiles(event)) return;
    event.preventDefault();
    found(await dropped(event.dataTransfer));
  });
}

/** Files as they were dropped, and the pictures in folders that were. @param {DataTransfer} transfer */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const folders = entries.filter((entry) => entry !== null).filter(isFolder);
  const names = new Set(folders.map((folder) => folder.name));
  const files = [...transfer.files].filter((file) => !(names.has(file.name) && !file.type && file.size % 4096 === 0));
  for (const folder of folders) await gather(folder, files);
  return files;
}

/** @param {FileSystemDirectoryEntry} folder @param {File[]} files */
async function gather(folder, files) {
  const reader = folder.createReader();
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const entries = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!entries.length || files.length >= MOST) return;
    for (const entry of entries.sort((one, other) => one.name.localeCompare(other.name))) {
      if (isFolder(entry)) await gather(entry, files);
      else if (PICTURE.test(entry.name) && files.length < MOST) files.push(await fileOf(entry));
    }
  }
}

/** @param {FileSystemEntry} entry @returns {entry is FileSystemDirectoryEntry} */
function isFolder(entry) {
  return entry.isDirectory;
}

/** @param {FileSystemEntry} entry of a file @returns {Promise<File>} */
function fileOf(entry) {
  return new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
}
