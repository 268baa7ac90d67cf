// A worker that may die: it gets one request at a time, and is started again when it fails or is silent for too long.

import { Refused } from "./backend.js";

const SILENT_MS = 120_000; // longer than the largest picture takes on a slow phone

/** @typedef {{deed: string, given: unknown, resolve: (value: any) => void, reject: (error: Error) => void}} Question */

export class WorkerClient {
  /** @param {string} address of its script @param {import("./worker.js").Needs} needs what every worker is opened with */
  constructor(address, needs) {
    this.address = address;
    this.needs = needs;
    /** @type {Question[]} */
    this.questions = [];
    /** @type {Worker | null} */
    this.worker = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.patience = undefined;
  }

  /** The worker's answer to `deed` with `given`. @param {string} deed @param {unknown} given @returns {Promise<any>} */
  ask(deed, given) {
    return new Promise((resolve, reject) => {
      this.questions.push({ deed, given, resolve, reject });
      if (this.questions.length === 1) this.next();
    });
  }

  next() {
    if (!this.questions.length) return;
    this.worker ??= this.begin();
    const [{ deed, given }] = this.questions;
    this.patience = setTimeout(() => this.gone("It took longer than two minutes"), SILENT_MS);
    this.worker.postMessage({ deed, given });
  }

  begin() {
    const worker = new Worker(this.address, { type: "module" });
    worker.onmessage = ({ data }) => this.answered(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.gone("The classifier broke down on it");
    };
    worker.postMessage({ deed: "open", given: this.needs });
    return worker;
  }

  /** @param {{value?: unknown, trouble?: string}} answer */
  answered({ value, trouble }) {
    clearTimeout(this.patience);
    const question = this.questions.shift();
    if (trouble === undefined) question?.resolve(value);
    else {
      this.end();
      question?.reject(new Refused(`The classifier broke down: ${trouble}`));
    }
    this.next();
  }

  /** @param {string} reason */
  gone(reason) {
    clearTimeout(this.patience);
    this.end();
    this.questions.shift()?.reject(new Refused(`${reason}.`));
    this.next();
  }

  end() {
    this.worker?.terminate();
    this.worker = null;
  }
}
