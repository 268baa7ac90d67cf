// Sends pictures to the backend in small groups, two at a time, and waits while it is busy.
//
// Each item {file, state, prediction, reason, again} gets its answer or a reason, and `changed` is called with it.

import { Busy, Refused } from "./backend.js";
import { mebibytes, messageOf } from "./words.js";

/** @import {Backend, Group, Item, Model, Prediction} from "./backend.js" */

const AT_ONCE = 2;
const OWN_FAULT = "decoder-lost"; // the code of the server's own fault: else the picture is to blame, and stays as it is
const MOST_TRIES = 12; // of a busy backend; waits double up to the longest
const LONGEST_WAIT_S = 15;

export class Queue {
  /** @param {{classify: Backend["classify"], changed: (item: Item) => void}} calls */
  constructor({ classify, changed }) {
    this.classify = classify;
    this.changed = changed;
    /** @type {Item[]} */
    this.waiting = [];
    this.under = 0;
    /** @type {Group | null} */
    this.group = null; // unknown until the model is
    this.resting = false;
    this.largest = 0;
  }

  /**
   * The backend is there: `group` {files, bytes} is what one call may hold, `largest` what one file may.
   *
   * @param {Pick<Model, "group" | "largest">} limits
   */
  open({ group, largest }) {
    this.group = group;
    this.largest = largest;
    this.pump();
  }

  /** @param {Item[]} items */
  push(items) {
    for (const item of items)
      Object.assign(item, { state: "waiting", prediction: null, reason: null, code: null, tries: 0 });
    this.waiting.push(...items);
    this.pump();
  }

  /** @param {Item[]} items */
  drop(items) {
    const gone = new Set(items);
    this.waiting = this.waiting.filter((item) => !gone.has(item));
  }

  pump() {
    while (this.group && !this.resting && this.under < AT_ONCE && this.waiting.length) {
      const items = this.next();
      if (!items.length) continue;
      this.under += 1;
      this.ask(items).finally(() => {
        this.under -= 1;
        this.pump();
      });
    }
  }

  /**
   * The next few items that go into one call; what is too large by itself is told so and left out.
   *
   * @returns {Item[]}
   */
  next() {
    /** @type {Item[]} */
    const items = [];
    const { files, bytes: most, overhead = 0 } = /** @type {Group} */ (this.group);
    let bytes = 0;
    while (this.waiting.length && items.length < files) {
      const item = this.waiting[0];
      const size = item.file.size + overhead;
      if (items.length && (bytes + size > most || item.alone)) break;
      this.waiting.shift();
      if (item.file.size > this.largest) {
        this.fail([item], `has ${mebibytes(item.file.size)}; at most ${mebibytes(this.largest)} are taken`, false);
        continue;
      }
      items.push(item);
      bytes += size;
      if (item.alone) break;
    }
    return items;
  }

  /** @param {Item[]} items */
  async ask(items) {
    for (const item of items) this.tell(item, { state: "asking" });
    try {
      const predictions = await this.classify(items.map((item) => item.file));
      items.forEach((item, place) => this.answer(item, predictions[place]));
    } catch (error) {
      if (error instanceof Busy) this.rest(items, error);
      else if (items.length > 1) this.oneByOne(items);
      else this.fail(items, plain(messageOf(error)), error instanceof Refused ? error.again : true);
    }
  }

  /** @param {Item} item @param {Prediction | undefined} prediction */
  answer(item, prediction) {
    if (!prediction) this.fail([item], "no answer came back", true);
    else if (prediction.error)
      this.fail([item], plain(prediction.error), prediction.code === OWN_FAULT, prediction.code);
    else this.tell(item, { state: "done", prediction });
  }

  /** @param {Item[]} items @param {Busy} busy */
  rest(items, busy) {
    const tries = Math.max(...items.map((item) => item.tries)) + 1;
    if (tries > MOST_TRIES) return this.fail(items, plain(busy.message), true);
    for (const item of items) this.tell(item, { state: "waiting", tries });
    this.waiting.unshift(...items);
    this.resting = true;
    const seconds = Math.min(Math.max(busy.seconds, 2 ** (tries - 3)), LONGEST_WAIT_S) * (1 + Math.random() / 4);
    setTimeout(() => {
      this.resting = false;
      this.pump();
    }, 1000 * seconds);
  }

  /** @param {Item[]} items */
  oneByOne(items) {
    // one of them may be to blame, so that the others are asked about without it
    for (const item of items) this.tell(item, { state: "waiting", alone: true });
    this.waiting.unshift(...items);
  }

  /** @param {Item[]} items @param {string} reason @param {boolean} again @param {string | null} code */
  fail(items, reason, again, code = null) {
    for (const item of items) this.tell(item, { state: "done", reason, again, code });
  }

  /** @param {Item} item @param {Partial<Item>} news */
  tell(item, news) {
    Object.assign(item, news);
    this.changed(item);
  }
}

/** @param {string} text */
function plain(text) {
  return String(text).replace(/\.$/, "");
}
