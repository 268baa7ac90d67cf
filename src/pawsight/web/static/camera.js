// Photographs with the camera of this device, each as a File, and answers while it shows. Closing it turns the camera off.

import { answer } from "./answer_card.js";
import { Busy } from "./backend.js";
import { at } from "./dom.js";
import { count, kindOf, messageOf, spoken } from "./words.js";

/** @import {Backend, Item, Prediction} from "./backend.js" */
/** @typedef {{same: number, words: string}} Live frames with the same answer, and that */

const LIVE_MS = 200; // from one live frame to the next, where the answer comes sooner
const LIVE_PX = 640; // longer side of a live frame
const STEADY = 3; // frames with the same answer before it is read out

/** @type {Record<string, string>} */
const WORDS = {
  NotAllowedError: "The browser does not let this page use the camera. Allow it beside the address and try again.",
  NotFoundError: "This device has no camera.",
  NotReadableError: "Another program is using the camera.",
};

/**
 * @param {(files: File[]) => void} found photographs were taken
 * @param {Backend["classify"]} classify for live answers
 */
export function camera(found, classify) {
  const [dialog, video] = [at("camera"), at("video")];
  /** @type {{stream: MediaStream | null, facing: string, taken: number, session: number, live: Live | null, asked: Promise<unknown>}} */
  const state = { stream: null, facing: "environment", taken: 0, session: 0, live: null, asked: Promise.resolve() };

  at("photograph").addEventListener("click", () => {
    if (!navigator.mediaDevices?.getUserMedia) {
      // not over plain http to another machine: a phone has an app for it
      at("snapshot").click();
      return;
    }
    state.session = 0;
    dialog.showModal();
    open();
  });
  at("camera-close").addEventListener("click", () => dialog.close());
  at("turn").addEventListener("click", async () => {
    state.facing = state.facing === "environment" ? "user" : "environment";
    const wasLive = state.live !== null;
    await open();
    if (wasLive && state.stream) watch();
  });
  at("watch").addEventListener("click", () => (state.live ? unwatch() : watch()));
  at("shoot").addEventListener("click", shoot);
  dialog.addEventListener("close", stop);
  addEventListener("pagehide", stop);

  async function open() {
    stop();
    tell("Waiting for the camera\u2026");
    try {
      const wanted = { facingMode: { ideal: state.facing }, width: { ideal: 1920 }, height: { ideal: 1080 } };
      const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      if (!dialog.open) return stream.getTracks().forEach((track) => track.stop());
      await show(stream);
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      tell(WORDS[name] ?? `The camera does not start (${name}).`);
    }
  }

  /** @param {MediaStream} stream */
  async function show(stream) {
    state.stream = stream;
    video.srcObject = stream;
    video.classList.toggle("mirrored", stream.getVideoTracks()[0].getSettings().facingMode === "user");
    await video.play();
    const devices = await navigator.mediaDevices.enumerateDevices();
    at("turn").hidden = devices.filter((device) => device.kind === "videoinput").length < 2;
    at("shoot").disabled = at("watch").disabled = false;
    at("shoot").focus();
    tell("");
  }

  async function shoot() {
    const blob = await frame();
    if (!blob) return tell("The camera gave no picture. Try again.");
    state.taken += 1;
    state.session += 1;
    found([new File([blob], `camera-${state.taken}.jpg`, { type: "image/jpeg" })]);
    tell(`${count(state.session, "picture")} taken`);
    flash();
  }

  /** What the camera sees, as a JPEG; null where it gives nothing. @returns {Promise<Blob | null>} */
  function frame(most = Infinity) {
    const scale = Math.min(1, most / Math.max(video.videoWidth, video.videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  }

  // One frame after another is asked about, until it is stopped; while the page is hidden it waits.
  async function watch() {
    const live = { same: 0, words: "" };
    state.live = live;
    at("watch").setAttribute("aria-pressed", "true");
    at("watch").textContent = "Stop";
    await state.asked; // of a watch that was stopped: there is never more than one request
    while (state.live === live) {
      const next = new Promise((resolve) => setTimeout(resolve, LIVE_MS));
      if (document.hidden) await shown();
      else await (state.asked = look(live));
      await next;
    }
  }

  /** @param {Live} live */
  async function look(live) {
    try {
      const blob = await frame(LIVE_PX);
      if (!blob || state.live !== live) return;
      const [prediction] = await classify([new File([blob], "camera.jpg", { type: "image/jpeg" })]);
      if (state.live === live) tellLive(live, prediction);
    } catch (error) {
      if (error instanceof Busy) return new Promise((resolve) => setTimeout(resolve, 1000 * error.seconds));
      if (state.live !== live) return;
      unwatch();
      tell(messageOf(error));
    }
  }

  /** Each answer is seen; one that stays is read out, once. @param {Live} live @param {Prediction} prediction */
  function tellLive(live, prediction) {
    const item = /** @type {Item} */ ({
      name: "Live",
      state: "done",
      reason: prediction.error,
      code: prediction.code ?? null,
      prediction,
    });
    const kind = kindOf(item);
    at("live").hidden = false;
    at("live").className = `live ${kind}`;
    at("live").replaceChildren(...answer(item, kind));
    const words = kind === "answer" ? String(prediction.label) : kind;
    live.same = words === live.words ? live.same + 1 : 1;
    live.words = words;
    if (live.same === STEADY) at("live-told").textContent = spoken(item);
  }

  function unwatch() {
    state.live = null;
    at("live").hidden = true;
    at("watch").setAttribute("aria-pressed", "false");
    at("watch").textContent = "Live answers";
    at("live-told").textContent = "";
  }

  function flash() {
    video.classList.remove("flash");
    requestAnimationFrame(() => video.classList.add("flash"));
  }

  function stop() {
    unwatch();
    state.stream?.getTracks().forEach((track) => track.stop());
    state.stream = video.srcObject = null;
    at("shoot").disabled = at("watch").disabled = true;
  }

  /** @param {string} words */
  function tell(words) {
    at("camera-told").textContent = words;
  }
}

function shown() {
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}
