// SPDX-License-Identifier: Apache-2.0
const form = document.querySelector("form");
const answer = document.querySelector("#answer");
const note = document.querySelector("#note");
let source;

function end(text) {
  source?.close(); // Without it the browser asks again, and the answer begins anew.
  source = undefined;
  form.elements.stop.disabled = true;
  note.textContent = text;
}

function ask(question) {
  end("");
  answer.textContent = "";
  form.elements.stop.disabled = false;
  source = new EventSource("emitter?" + new URLSearchParams({ question }));
  source.addEventListener("text", (e) => (answer.textContent += JSON.parse(e.data).text));
  source.addEventListener("restarted", (e) => {
    answer.textContent = answer.textContent.slice(0, -JSON.parse(e.data).discard || undefined);
    note.textContent = "Beginning again …";
  });
  source.addEventListener("completed", () => end(""));
  source.addEventListener("failed", () => end("No answer. Please try again later."));
  source.addEventListener("error", () => end("The connection was lost."));
}

form.addEventListener("submit", (e) => {
  e.preventDefault();
  ask(form.elements.question.value);
});
form.elements.stop.addEventListener("click", () => end("Stopped."));
