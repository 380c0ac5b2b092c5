// The table of shots on the page of a new film: rows come, go and move without asking the server,
// cells of a spreadsheet are pasted, and a file is dropped. Without it the buttons ask the server.

const rows = document.getElementById("rows");
const blank = document.getElementById("blank");
const said = document.getElementById("said");
const drop = document.querySelector(".drop");
let next = rows ? rows.rows.length : 0;

function say(words) {
  said.textContent = words;
}

function add() {
  const row = blank.content.querySelector("tr").cloneNode(true);
  const number = next++;
  row.dataset.row = number;
  for (const cell of row.querySelectorAll("[name]")) {
    cell.name = cell.name.replace("rN.", `r${number}.`);
    if (cell.name === "do") cell.value = cell.value.replace("N", number);
  }
  rows.append(row);
  return row;
}

function move(row, step) {
  const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
  if (!other) return;
  step < 0 ? other.before(row) : other.after(row);
  say(`Moved to row ${[...rows.rows].indexOf(row) + 1}.`);
}

function remove(row) {
  const beside = row.nextElementSibling || row.previousElementSibling;
  row.remove();
  beside?.querySelector("[data-field]").focus();
  say("Removed.");
}

function act(event) {
  const button = event.target.closest('button[name="do"]');
  if (!button) return;
  event.preventDefault();
  const row = button.closest("tr");
  const verb = button.value.split(" ")[0];
  if (verb === "add") add().querySelector("[data-field]").focus();
  else if (verb === "remove") remove(row);
  else {
    move(row, verb === "up" ? -1 : 1);
    button.focus();
  }
}

function neighbour(cell, step) {
  const row = cell.closest("tr");
  const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
  return other?.querySelector(`[data-field="${cell.dataset.field}"]`);
}

function walk(event) {
  const cell = event.target.closest("[data-field]");
  if (!cell) return;
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (event.altKey && step && event.shiftKey) {
    event.preventDefault();
    move(cell.closest("tr"), step);
    cell.focus();
  } else if ((event.altKey && step) || (event.key === "Enter" && !event.shiftKey && !event.isComposing)) {
    event.preventDefault();
    (neighbour(cell, step || 1) || (step ? null : add().querySelector(`[data-field="${cell.dataset.field}"]`)))?.focus();
  }
}

/** Tab-separated text as rows of cells; a quoted cell may hold tabs, lines and doubled quotes. */
export function cellsOf(text) {
  const found = [[]];
  const token = /(?:"((?:[^"]|"")*)"(?=[\t\r\n]|$)|([^\t\r\n]*))(\t|\r?\n|\r|$)/y;
  while (token.lastIndex < text.length) {
    const [, quoted, plain, end] = token.exec(text);
    found.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end && end !== "\t" && token.lastIndex < text.length) found.push([]);
    else if (!end) break;
  }
  return found;
}

function paste(event) {
  const cell = event.target.closest("[data-field]");
  const text = event.clipboardData.getData("text/plain");
  if (!cell || !text.includes("\t")) return; // words with line ends belong into one cell
  event.preventDefault();
  const fields = [...cell.closest("tr").querySelectorAll("[data-field]")].map((each) => each.dataset.field);
  const from = fields.indexOf(cell.dataset.field);
  const lines = cellsOf(text);
  let row = cell.closest("tr");
  let count = 0;
  let lost = 0;
  for (const [at, line] of lines.entries()) {
    if (at) row = row.nextElementSibling || add();
    line.forEach((value, column) => {
      const into = row.querySelector(`[data-field="${fields[from + column]}"]`);
      if (into) into.value = value;
      into ? count++ : lost++;
    });
  }
  say(`Pasted ${count} cells into ${lines.length} rows${lost ? `; ${lost} had no column` : ""}.`);
}

if (rows) {
  const form = document.getElementById("sheet");
  form.addEventListener("click", act);
  rows.addEventListener("keydown", walk);
  rows.addEventListener("paste", paste);
}

if (drop) {
  const form = document.getElementById("give");
  const over = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.toggle("over", event.type === "dragover");
  };
  form.addEventListener("dragover", over);
  form.addEventListener("dragleave", over);
  form.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    drop.classList.remove("over");
    document.getElementById("file").files = event.dataTransfer.files;
    form.requestSubmit();
  });
}
