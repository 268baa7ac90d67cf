// The page: pictures in, answers shown. start(backend) is all there is to call; backend.js says what a backend is.

import { csv, download, json, patch } from "./answer_files.js";
import { Busy, Closed } from "./backend.js";
import { camera } from "./camera.js";
import { closed, describe, introduce, latest, opening, unreachable } from "./classifier_facts.js";
import { at } from "./dom.js";
import { takeIn } from "./file_input.js";
import { Gallery } from "./gallery.js";
import { Lightbox } from "./lightbox.js";
import { Queue } from "./queue.js";
import { measured, thumbnail } from "./thumbnail.js";
import { count, messageOf, spoken, tally } from "./words.js";

/** @import {Backend, Item} from "./backend.js" */

const PAUSE_MS = 500; // answers that come together are read out together
const READ_OUT = 3; // one by one; more are counted
const LONGEST_PAUSE_S = 15;
const MOST_TRIES = 5; // of keeping a picture while the server is busy

/** @param {Backend} backend */
export function start(backend) {
  const page = new Page(backend);
  introduce(backend);
  takeIn((files) => page.take(files));
  camera(
    (files) => page.take(files),
    (files) => backend.classify(files, { live: true }),
  );
  at("csv").addEventListener("click", () =>
    download("pawsight.csv", csv(page.finished(), page.gallery.model.classes), "text/csv"),
  );
  at("json").addEventListener("click", () =>
    download("pawsight.json", json(page.finished(), page.gallery.model), "application/json"),
  );
  at("patch").addEventListener("click", () => page.patch());
  at("cancel").addEventListener("click", () => page.remove(page.gallery.items.filter((item) => item.state !== "done")));
  at("threshold").addEventListener("input", () => page.doubt());
  at("clear").addEventListener("click", () => page.remove(page.gallery.items));
  at("undo").addEventListener("click", () => page.undo());
  at("toast-close").addEventListener("click", () => {
    page.forget();
    at("choose").focus();
  });
  page.open();
}

class Page {
  /** @param {Backend} backend */
  constructor(backend) {
    this.backend = backend;
    this.number = 0;
    /** @type {Item[]} */
    this.news = [];
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.pause = undefined;
    /** @type {Promise<void>} */
    this.shown = Promise.resolve(); // one picture after another
    this.gallery = new Gallery({
      remove: (item) => this.remove([item]),
      retry: (item) => this.retry(item),
      open: (item, options) => this.lightbox.open(item, this.gallery.model, options),
    });
    this.lightbox = new Lightbox({
      explain: (item, label) => this.explain(item, label),
      near: (item, step) => this.gallery.near(item, step),
      judged: (item) => this.judged(item),
    });
    this.queue = new Queue({ classify: (files) => backend.classify(files), changed: (item) => this.changed(item) });
  }

  // Ask for the model until there is one; pictures may come meanwhile.
  async open(pause = 1) {
    try {
      const model = await this.backend.model(opening);
      this.gallery.know(model);
      describe(model, this.backend, (words) => this.notify(words));
      this.queue.open(model);
    } catch (error) {
      if (error instanceof Closed) return this.close(error.message);
      if (!(error instanceof Busy)) unreachable(messageOf(error));
      setTimeout(() => this.open(Math.min(2 * pause, LONGEST_PAUSE_S)), 1000 * pause);
    }
  }

  /** There will be no model: what was dropped, and what will be, is told so. @param {string} words */
  close(words) {
    closed(words);
    this.queue.open({ group: { files: 1, bytes: Infinity }, largest: Infinity });
  }

  /** @param {File[]} files */
  take(files) {
    const items = files.map((file) => this.item(file));
    if (!items.length) return;
    this.gallery.add(items);
    this.queue.push(items);
    items.forEach((item) => this.see(item));
  }

  /** @param {File} file @returns {Item} */
  item(file) {
    this.number += 1;
    const name = file.name || "picture";
    /** @type {Pick<Item, "thumbnail" | "unseen" | "heats">} */
    const picture = { thumbnail: null, unseen: false, heats: new Map() };
    return {
      id: this.number,
      file,
      name,
      state: "waiting",
      prediction: null,
      reason: null,
      code: null,
      tries: 0,
      again: true,
      doubted: false,
      truth: undefined,
      ...picture,
    };
  }

  /** @param {Item} item */
  async see(item) {
    item.thumbnail = await thumbnail(item.file);
    item.unseen = item.thumbnail === null;
    this.gallery.drawPicture(item);
    this.seeByServer(item);
  }

  /**
   * A picture that this browser cannot show, HEIC for example, but that was answered: the backend makes a small one.
   *
   * @param {Item} item
   */
  seeByServer(item) {
    const { thumbnail: made } = this.backend;
    if (!made || !(item.unseen && item.prediction && this.gallery.model.thumbnails) || item.isShown) return;
    item.isShown = true;
    this.shown = this.shown.then(async () => {
      if (!this.gallery.cards.has(item)) return; // removed meanwhile
      try {
        item.thumbnail = await measured(await patiently(() => made(item.file)));
      } catch {
        return; // the tile with the type of the file stays
      }
      this.gallery.drawPicture(item);
      this.lightbox.seen(item);
    });
  }

  /** @param {Item} item */
  changed(item) {
    if (item.state === "asking") return; // it looks as it did
    item.doubted = this.isDoubted(item);
    item.reads = this.gallery.model.reads;
    this.seeByServer(item);
    this.gallery.draw(item);
    if (item.state === "done" && this.gallery.cards.has(item)) this.announce(item);
  }

  /** @param {Item} item */
  retry(item) {
    this.queue.push([item]);
    this.gallery.draw(item);
  }

  finished() {
    return this.gallery.items.filter((item) => item.state === "done");
  }

  // The user's threshold: an answer below it is shown as unsure.
  doubt() {
    const least = Number(at("threshold").value);
    at("threshold-told").textContent = least ? `${least}\u00a0%` : "off";
    for (const item of this.gallery.items) {
      const doubted = this.isDoubted(item);
      if (doubted === item.doubted) continue;
      item.doubted = doubted;
      this.gallery.draw(item);
    }
  }

  /** @param {Pick<Item, "prediction">} item */
  isDoubted({ prediction }) {
    const probability = prediction?.probability ?? null;
    return probability !== null && 100 * probability < Number(at("threshold").value);
  }

  /**
   * The address of the heat map of a class, drawn once.
   *
   * @param {Item} item
   * @param {string} label
   * @returns {Promise<string>}
   */
  explain(item, label) {
    const before = item.heats.get(label);
    if (before) return before;
    const drawn = this.backend.explain(item.file, label).then((blob) => URL.createObjectURL(blob));
    drawn.catch(() => item.heats.delete(label));
    item.heats.set(label, drawn);
    return drawn;
  }

  /**
   * What the user said of a picture: kept by the server where it does that, in the order in which it was said.
   *
   * @param {Item} item
   */
  judged(item) {
    this.gallery.draw(item);
    if (!this.gallery.model.feedback) return;
    const { truth } = item;
    item.saving = (item.saving ?? Promise.resolve())
      .then(() => {
        if (item.truth === truth) return this.save(item, truth); // else it was said otherwise meanwhile
      })
      .finally(() => this.lightbox.tell(item));
    item.saved = "Saving\u2026";
  }

  /** @param {Item} item @param {string | null | undefined} truth */
  async save(item, truth) {
    const { keep, withdraw } = this.backend;
    if (!keep || !withdraw) return;
    try {
      if (truth !== undefined) item.digest = await patiently(() => keep(item.file, truth));
      else if (item.digest) await patiently(() => withdraw(item.digest ?? ""));
      item.saved = truth === undefined ? "This picture is no longer kept." : "Thank you. This picture is kept.";
    } catch (error) {
      item.saved = `This picture could not be kept. ${messageOf(error)}`;
    }
  }

  async patch() {
    const told = this.gallery.items.filter((item) => item.truth !== undefined);
    try {
      download("patch.csv", await patch(told), "text/csv");
      this.notify(
        `Put ${told.length === 1 ? "this picture" : "these pictures"} into the training folder, then: pawsight train FOLDER --patch patch.csv`,
      );
    } catch (error) {
      this.notify(`There is no label patch. ${messageOf(error)}`);
    }
  }

  /** @param {Item[]} items */
  remove(items) {
    this.forget();
    const gone = [...items];
    this.queue.drop(gone);
    this.gallery.remove(gone);
    this.notify(`${count(gone.length, "picture")} removed.`, { undo: true });
    if (!this.gallery.items.length) at("undo").focus();
  }

  undo() {
    at("toast").hidden = true;
    const back = this.gallery.restore();
    this.queue.waiting.push(...back.filter((item) => item.state === "waiting"));
    this.queue.pump();
  }

  // What was removed is gone for good, and its small pictures with it.
  forget() {
    at("toast").hidden = true;
    for (const [, item] of this.gallery.removed) {
      if (item.thumbnail) URL.revokeObjectURL(item.thumbnail.url);
      for (const heat of item.heats.values()) heat.then(URL.revokeObjectURL, () => {});
    }
    this.gallery.removed = [];
  }

  /** @param {Item} item */
  announce(item) {
    this.news.push(item);
    clearTimeout(this.pause);
    this.pause = setTimeout(() => {
      const few = this.news.length <= READ_OUT;
      this.say(few ? this.news.map(spoken).join(" ") : `${count(this.news.length, "picture")}: ${tallied(this.news)}.`);
      this.news = [];
      if (this.gallery.model?.window !== undefined) this.watch();
    }, PAUSE_MS);
  }

  // Each picture changes what the latest ones say about the classifier.
  async watch() {
    try {
      latest((await this.backend.model(() => {})).window ?? null);
    } catch {
      latest(null); // the server is busy or gone; the next answer asks again
    }
  }

  /** @param {string} words @param {{undo?: boolean}} options */
  notify(words, { undo = false } = {}) {
    at("toast-told").textContent = words;
    at("undo").hidden = !undo;
    at("toast").hidden = false;
    this.say(words);
  }

  /** @param {string} words */
  say(words) {
    // behind an open dialog nobody sees or hears the page
    at(at("camera").open ? "camera-told" : "spoken").textContent = words;
  }
}

/**
 * Asks again while the server is busy.
 *
 * @template Value
 * @param {() => Promise<Value>} ask
 * @returns {Promise<Value>}
 */
async function patiently(ask) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Busy) || tries === MOST_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * error.seconds));
    }
  }
}

/** @param {Item[]} items */
function tallied(items) {
  return tally(items.filter((item) => item.state === "done"))
    .map(([, words, number]) => `${number} ${words}`)
    .join(", ");
}
