// A worker that may die: it gets one request at a time, and is started again when it fails or is silent for too long.

import { Refused } from "./backend.js";

const SILENT_MS = 120_000; // longer than the largest picture takes on a slow phone

export class WorkerClient {
  constructor(needs) {
    this.needs = needs;
    this.questions = [];
    this.worker = null;
  }

  // Promise of the worker's answer to `deed` with `given`.
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
    const worker = new Worker(own(new URL("./worker.js", import.meta.url)), { type: "module" });
    worker.onmessage = ({ data }) => this.answered(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.gone("The classifier broke down on it");
    };
    worker.postMessage({ deed: "open", given: this.needs });
    return worker;
  }

  answered({ value, trouble }) {
    clearTimeout(this.patience);
    const { resolve, reject } = this.questions.shift();
    if (trouble === undefined) resolve(value);
    else {
      this.end();
      reject(new Refused(`The classifier broke down: ${trouble}`));
    }
    this.next();
  }

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

// A worker from the network has a policy of its own, that of its response; one from a blob has the page's, and so the
// same bar against requests.
function own(address) {
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(address.href)};`], { type: "text/javascript" }));
}
