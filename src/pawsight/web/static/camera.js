// Photographs with the camera of this device, each as a File. Closing it turns the camera off.

import { at } from "./dom.js";
import { count } from "./words.js";

/** @type {Record<string, string>} */
const WORDS = {
  NotAllowedError: "The browser does not let this page use the camera. Allow it beside the address and try again.",
  NotFoundError: "This device has no camera.",
  NotReadableError: "Another program is using the camera.",
};

/** @param {(files: File[]) => void} found */
export function camera(found) {
  const [dialog, video] = [at("camera"), at("video")];
  /** @type {{stream: MediaStream | null, facing: string, taken: number, session: number}} */
  const state = { stream: null, facing: "environment", taken: 0, session: 0 };

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
  at("turn").addEventListener("click", () => {
    state.facing = state.facing === "environment" ? "user" : "environment";
    open();
  });
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
    at("shoot").disabled = false;
    at("shoot").focus();
    tell("");
  }

  async function shoot() {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    const blob = await /** @type {Promise<Blob | null>} */ (
      new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92))
    );
    if (!blob) return tell("The camera gave no picture. Try again.");
    state.taken += 1;
    state.session += 1;
    found([new File([blob], `camera-${state.taken}.jpg`, { type: "image/jpeg" })]);
    tell(`${count(state.session, "picture")} taken`);
    flash();
  }

  function flash() {
    video.classList.remove("flash");
    requestAnimationFrame(() => video.classList.add("flash"));
  }

  function stop() {
    state.stream?.getTracks().forEach((track) => track.stop());
    state.stream = video.srcObject = null;
    at("shoot").disabled = true;
  }

  /** @param {string} words */
  function tell(words) {
    at("camera-told").textContent = words;
  }
}
