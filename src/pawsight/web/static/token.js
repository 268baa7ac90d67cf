// Asks for the token that a service may require.

export function askToken({ wrong }) {
  const dialog = document.getElementById("token");
  const word = document.getElementById("token-word");
  document.getElementById("token-wrong").textContent = wrong
    ? "This token is wrong. Ask the person who runs the service."
    : "";
  word.value = "";
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(harmless(word.value)), { once: true });
    if (!dialog.open) dialog.showModal();
    word.focus();
  });
}

// A header holds visible ASCII and nothing else; what is not was no token anyway.
function harmless(typed) {
  return typed.replace(/[^\x21-\x7e]/g, "") || "-";
}
