// Buttons that copy what stands in a field.

const said = document.getElementById("copied");

async function copy(field) {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    said.textContent = "Copied.";
  } catch {
    // Browsers lend the clipboard to https and this machine only; the text is selected.
    said.textContent = "Selected: copy it with Ctrl+C, or ⌘C.";
  }
}

for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(document.getElementById(button.dataset.copies)));
}
