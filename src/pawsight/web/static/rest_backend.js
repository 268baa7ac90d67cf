// The backend that asks the server of this page; openapi.json describes its answers.

import { Busy, Refused } from "./backend.js";

/** @import {Backend, Model, Prediction} from "./backend.js" */

const MIB = 2 ** 20;
const OVERHEAD = 1024; // bytes of a form around one file
const PATIENCE_MS = 60_000; // longer than any server of ours lets a request live
const TOGETHER = 4; // files in one request: few, so that the first answers come soon
const KEY = "pawsight-token";

/** @param {{askToken: (options: {wrong: boolean}) => Promise<string>, root?: string}} options @returns {Backend} */
export function rest({ askToken, root = "" }) {
  /** @type {Promise<void> | null} */
  let asking = null;

  /** @param {string} path @param {RequestInit} options @returns {Promise<Response>} */
  async function ask(path, options = {}) {
    const token = sessionStorage.getItem(KEY);
    const response = await send(path, options, token);
    if (response.status !== 401) return response;
    if (sessionStorage.getItem(KEY) === token) await newToken(token !== null); // else another request asked meanwhile
    return ask(path, options);
  }

  /** @param {boolean} wrong */
  function newToken(wrong) {
    asking ??= askToken({ wrong })
      .then((token) => sessionStorage.setItem(KEY, token))
      .finally(() => {
        asking = null;
      });
    return asking;
  }

  /** @param {string} path @param {RequestInit} options @param {string | null} token */
  async function send(path, options, token) {
    const headers = new Headers(options.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    try {
      return await fetch(root + path, { ...options, headers, signal: AbortSignal.timeout(PATIENCE_MS) });
    } catch (error) {
      if (error instanceof Error && error.name === "TimeoutError")
        throw new Refused("The server did not answer within a minute.");
      throw new Refused("The server cannot be reached. Is it still running?");
    }
  }

  async function model() {
    const response = await ask("/api/v1/model");
    if (!response.ok) throw await trouble(response);
    return modelFrom(await response.json(), sessionStorage.getItem(KEY) !== null);
  }

  /** @param {File[]} files @param {{live?: boolean}} options @returns {Promise<Prediction[]>} */
  async function classify(files, { live = false } = {}) {
    const body = new FormData();
    for (const file of files) body.append("files", file, file.name || "picture");
    const response = await ask(live ? "/api/v1/predict?window=false" : "/api/v1/predict", { method: "POST", body });
    if (response.ok) return (await response.json()).predictions;
    const problem = await documentOf(response);
    if (response.status === 422 && files.length === 1) return [unreadable(problem, files[0])];
    throw await trouble(response, problem);
  }

  /** @param {File} file @param {string} label */
  async function explain(file, label) {
    const headers = { "Content-Type": "application/octet-stream" };
    const response = await ask(`/api/v1/explain?class=${encodeURIComponent(label)}`, {
      method: "POST",
      body: file,
      headers,
    });
    if (!response.ok) throw await trouble(response);
    return response.blob();
  }

  /** @param {File} file */
  async function thumbnail(file) {
    const headers = { "Content-Type": "application/octet-stream" };
    const response = await ask("/api/v1/thumbnail", { method: "POST", body: file, headers });
    if (!response.ok) throw await trouble(response);
    return response.blob();
  }

  /** @param {File} file @param {string | null} label */
  async function keep(file, label) {
    const headers = { "Content-Type": "application/octet-stream" };
    const asked = label === null ? "none=true" : `class=${encodeURIComponent(label)}`;
    const response = await ask(`/api/v1/feedback?${asked}`, { method: "POST", body: file, headers });
    if (!response.ok) throw await trouble(response);
    return (await response.json()).sha256;
  }

  /** @param {string} digest */
  async function withdraw(digest) {
    const response = await ask(`/api/v1/feedback/${digest}`, { method: "DELETE" });
    if (!response.ok && response.status !== 404) throw await trouble(response); // 404: it is gone already
  }

  async function openReport() {
    // a link cannot show a token, so the report comes as a file
    const response = await ask("/api/v1/report");
    if (!response.ok) throw await trouble(response);
    return response.blob();
  }

  const privacy = `Pictures go to this server only (${location.host}) and are not kept.`;
  return {
    privacy,
    links: [{ text: "API", href: `${root}/docs` }],
    model,
    classify,
    explain,
    thumbnail,
    keep,
    withdraw,
    openReport,
  };
}

/** @param {any} told @param {boolean} guarded whether a token is needed @returns {Model} */
function modelFrom(told, guarded) {
  const { body_mib: mib = 10, files = 1 } = told.limits ?? {};
  const bytes = Math.floor(mib * MIB);
  return {
    title: told.title ?? null,
    classes: told.classes,
    severalLabels: told.several_labels === true,
    recipe: told.recipe ?? null,
    imagePx: told.image_px ?? null,
    measured: told.measured ?? null,
    maxError: told.max_error ?? null,
    window: told.window ?? null,
    sets: told.sets ?? null,
    detector: told.detector ?? null,
    heatMaps: told.heat_maps === true,
    thumbnails: told.thumbnails === true,
    reads: told.reads ?? [],
    feedback: told.feedback === true,
    privacy: told.feedback
      ? `Pictures go to this server only (${location.host}). It keeps those that you label.`
      : null,
    report: told.report ? guarded || told.report : null,
    share: told.share ? { address: told.share, asksToken: guarded } : null,
    group: { files: Math.min(files, TOGETHER), bytes: bytes - 2 * OVERHEAD, overhead: OVERHEAD },
    largest: bytes - 2 * OVERHEAD,
  };
}

/** @param {any} problem @param {File} file @returns {Prediction} */
function unreadable({ reason, detail, code }, file) {
  return {
    file: file.name,
    label: null,
    probability: null,
    probabilities: null,
    verdict: null,
    set: null,
    error: reason ?? detail ?? "unreadable",
    code,
  };
}

/** @param {Response} response @param {any} [problem] its document where it was read already */
async function trouble(response, problem) {
  problem ??= await documentOf(response);
  const told = problem.detail ?? `The server answered with status ${response.status}.`;
  if (response.status === 503 || response.status === 429) return new Busy(wait(response), told);
  return new Refused(told, { again: response.status >= 500 || response.status === 408 });
}

/** @param {Response} response */
function wait(response) {
  const seconds = Number(response.headers.get("Retry-After"));
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 60) : 1;
}

/** @param {Response} response */
async function documentOf(response) {
  try {
    return (await response.json()) ?? {};
  } catch {
    return {};
  }
}
