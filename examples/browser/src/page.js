import { demoModel, load } from "sirocco";

const form = document.querySelector("form");
const output = document.querySelector("output");
const engine = await load(demoModel); // or the URL of a GGUF file, or a File from an <input>
form.querySelector("button").disabled = false;

async function ask(question) {
  output.textContent = "";
  for await (const piece of engine.chat([{ role: "user", content: question }])) {
    output.textContent += piece;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void ask(form.querySelector("input").value);
});
