// Says in a sentence why the page cannot start, where the modules that would say so do not run: a script of the old
// kind, which browsers run from files too.

{
  const OPENED_AS_FILE =
    "This page was opened as a file, and browsers run it from a web server only. In its folder, type: " +
    "python -m http.server --bind 127.0.0.1, then open http://127.0.0.1:8000";
  const OLD = "This browser is too old for this page. Use a current Chrome, Edge, Firefox or Safari.";
  const MISSING =
    "A script of this page is missing on its host, or is not served as JavaScript. Copy the whole folder there, with static/.";

  /** @param {string} words */
  const show = (words) => {
    const notice = document.getElementById("notice");
    if (!notice) return void addEventListener("DOMContentLoaded", () => show(words));
    notice.textContent = words;
    notice.hidden = false;
    document.body.classList.add("closed");
  };
  const failed = location.protocol === "file:" ? OPENED_AS_FILE : MISSING;
  addEventListener("error", (event) => event.target instanceof HTMLScriptElement && show(failed), true);
  if (!("noModule" in HTMLScriptElement.prototype)) show(OLD);
}
