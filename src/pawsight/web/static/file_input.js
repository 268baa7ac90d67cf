// Files that are dropped, pasted or chosen.

import { at } from "./dom.js";

const MOST = 5000; // files from dropped folders
const PICTURE = /\.(avif|bmp|gif|heic|heif|jpe?g|mpo|png|tiff?|webp)$/i;

export function takeIn(found) {
  choosing(found);
  pasting(found);
  dropping(found);
}

function choosing(found) {
  for (const id of ["files", "snapshot"]) {
    const input = at(id);
    input.addEventListener("change", () => {
      found([...input.files]);
      input.value = ""; // the same file may be chosen again
    });
  }
  at("choose").addEventListener("click", () => at("files").click());
}

function pasting(found) {
  let number = 0;
  if (/Mac|iPhone|iPad/.test(navigator.platform)) at("paste-key").textContent = "\u2318";
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || event.target.closest?.("input")) return;
    event.preventDefault();
    found(files.map((file) => (file.name && file.name !== "image.png" ? file : renamed(file, (number += 1)))));
  });
}

function renamed(file, number) {
  const kind = /^image\/([a-z]+)/.exec(file.type)?.[1] ?? "png";
  return new File([file], `pasted-${number}.${kind}`, { type: file.type });
}

function dropping(found) {
  let depth = 0;
  const over = (shown) => at("over").classList.toggle("shown", shown);
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => {
    if (holdsFiles(event)) over((depth += 1) > 0);
  });
  addEventListener("dragleave", (event) => {
    if (holdsFiles(event)) over((depth = Math.max(0, depth - 1)) > 0);
  });
  addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", async (event) => {
    over((depth = 0) > 0);
    if (!holdsFiles(event)) return;
    event.preventDefault();
    found(await dropped(event.dataTransfer));
  });
}

// Files as they were dropped, and the pictures in folders that were.
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const folders = entries.filter((entry) => entry?.isDirectory);
  const names = new Set(folders.map((folder) => folder.name));
  const files = [...transfer.files].filter((file) => !(names.has(file.name) && !file.type && file.size % 4096 === 0));
  for (const folder of folders) await gather(folder, files);
  return files;
}

async function gather(folder, files) {
  const reader = folder.createReader();
  for (;;) {
    const entries = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!entries.length || files.length >= MOST) return;
    for (const entry of entries.sort((one, other) => one.name.localeCompare(other.name))) {
      if (entry.isDirectory) await gather(entry, files);
      else if (PICTURE.test(entry.name) && files.length < MOST)
        files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    }
  }
}
