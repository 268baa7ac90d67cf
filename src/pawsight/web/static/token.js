// Asks for the token that a service may require.

import { at } from "./dom.js";

/** @param {{wrong: boolean}} options @returns {Promise<string>} */
export function askToken({ wrong }) {
  const [dialog, word] = [at("token"), at("token-word")];
  at("token-wrong").textContent = wrong ? "This token is wrong. Ask the person who runs the service." : "";
  word.value = "";
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(harmless(word.value)), { once: true });
    if (!dialog.open) dialog.showModal();
    word.focus();
  });
}

/** A header holds visible ASCII and nothing else; what is not was no token anyway. @param {string} typed */
function harmless(typed) {
  return typed.replace(/[^\x21-\x7e]/g, "") || "-";
}
