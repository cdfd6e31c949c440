// Tables that can be sorted, filtered and copied. Without this the page is whole.
"use strict";
document.querySelectorAll("details.data").forEach(function (details, place) {
  const table = details.querySelector("table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const texts = new Map(rows.map(function (row) { return [row, row.textContent.toLowerCase()]; }));
  const tools = document.createElement("div");
  tools.className = "tools";
  const label = document.createElement("label");
  label.textContent = "Only rows with ";
  const filter = document.createElement("input");
  filter.type = "search";
  filter.id = "filter-" + place;
  label.htmlFor = filter.id;
  label.append(filter);
  const copy = document.createElement("button");
  copy.type = "button";
  copy.textContent = "Copy as TSV";
  const told = document.createElement("span");
  told.setAttribute("role", "status");
  tools.append(label, copy, told);
  details.querySelector(".scroll").before(tools);
  filter.addEventListener("input", function () {
    const wanted = filter.value.toLowerCase();
    rows.forEach(function (row) { row.hidden = !texts.get(row).includes(wanted); });
    told.textContent = rows.filter(function (row) { return !row.hidden; }).length + " of " + rows.length + " rows";
  });
  const whole = function (cell) {
    const cut = cell.querySelector("[title]");
    return (cut ? cut.title : cell.textContent).replace(/[\t\n\r]/g, " ").replace(/^([=+@])/, "'$1");
  };
  copy.addEventListener("click", function () {
    const shown = Array.from(table.rows).filter(function (row) { return !row.hidden; });
    const text = shown.map(function (row) { return Array.from(row.cells).map(whole).join("\t"); }).join("\n");
    const done = function () { told.textContent = "Copied " + (shown.length - 1) + " rows"; };
    const by_hand = function () {
      getSelection().selectAllChildren(table);
      told.textContent = "The table is selected: copy it with the keyboard";
    };
    if (navigator.clipboard) { navigator.clipboard.writeText(text).then(done, by_hand); } else { by_hand(); }
  });
  Array.from(table.tHead.rows[0].cells).forEach(function (head, column) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", function () {
      const descends = head.getAttribute("aria-sort") === "ascending";
      Array.from(head.parentNode.cells).forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", descends ? "descending" : "ascending");
      const numbers = head.classList.contains("n");
      const value = function (row) {
        const text = row.cells[column].textContent;
        return numbers ? (text === "" ? NaN : Number(text)) : text;
      };
      const order = function (a, b) {
        const [x, y] = [value(a), value(b)];
        if (numbers) {
          if (isNaN(x)) { return isNaN(y) ? 0 : 1; }
          return isNaN(y) ? -1 : (descends ? y - x : x - y);
        }
        return descends ? y.localeCompare(x) : x.localeCompare(y);
      };
      rows.slice().sort(order).forEach(function (row) { body.append(row); });
    });
  });
});
