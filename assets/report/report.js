"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  // Language: both are in the page, a style hides one; options of a list cannot hold elements.
  const speak = (language) => {
    root.lang = root.dataset.language = language;
    all("[data-speak]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.speak === language)));
    all("option[data-en]").forEach((option) => { option.textContent = option.dataset[language]; });
  };
  all("[data-speak]").forEach((button) => button.addEventListener("click", () => speak(button.dataset.speak)));
  speak(root.dataset.language);

  // Filter: of cards and of rows, each by its own tools.
  const filter = (kind) => {
    const found = document.querySelector(`[data-find="${kind}"]`);
    if (!found) return;
    const wanted = plain(found.value), only = kind === "card" ? document.querySelector("[data-only]").value : "";
    const items = all(`.${kind}`);
    let shown = 0;
    items.forEach((item) => {
      const hidden = !plain(item.dataset.text).includes(wanted) || (only !== "" && item.dataset.cause !== only);
      item.hidden = hidden;
      item.style.display = hidden ? "none" : "";
      shown += hidden ? 0 : 1;
    });
    document.querySelector(`[data-count="${kind}"]`).textContent = `${shown} / ${items.length}`;
    const nothing = document.querySelector(`[data-nothing="${kind}"]`);
    if (nothing) nothing.hidden = shown > 0;
  };
  ["card", "row"].forEach((kind) => {
    all(`[data-find="${kind}"]`).forEach((field) => field.addEventListener("input", () => filter(kind)));
    filter(kind);
  });
  all("[data-only]").forEach((list) => list.addEventListener("change", () => filter("card")));
  all("form").forEach((form) => form.addEventListener("submit", (event) => event.preventDefault()));

  // Sort: cards by a list, tables by their heads.
  const cards = document.querySelector(".cards");
  all("[data-sort]").forEach((list) => list.addEventListener("change", () => {
    const name = list.value, sign = { gap: -1, doubt: -1, score: -1, pair: 1 }[name];
    const sorted = all(".card").sort((a, b) => sign * (Number(a.dataset[name]) - Number(b.dataset[name])));
    cards.append(...sorted);
  }));
  const value = (row, column) => {
    const cell = row.cells[Math.min(column, row.cells.length - 1)];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  all("table.sortable").forEach((table) => all("[data-column]", table).forEach((head) => head.addEventListener("click", () => {
    const up = head.dataset.order === "down";
    all("[data-column]", table).forEach((other) => delete other.dataset.order);
    head.dataset.order = up ? "up" : "down";
    const column = Number(head.dataset.column), body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => {
      const one = value(a, column), other = value(b, column);
      const order = typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
      return up ? order : -order;
    }));
  })));

  // Verdicts: ticked here, saved to a file that Burin reads back.
  const save = document.getElementById("save");
  if (!save) return;
  let unsaved = false;
  const marked = (card) => card.querySelector("input[type=radio]:checked");
  const named = (card) => card.querySelector(".to").value.trim();
  const chosen = (card) => { // another class without its name is no verdict yet
    const given = marked(card);
    return given && (given.value !== "relabel" || named(card)) ? given : null;
  };
  // Ticks survive a reload of the page in this browser, where it lets a page keep something.
  const shelf = `burin-verdicts ${document.body.dataset.run} ${document.body.dataset.side} ${document.body.dataset.snapshot}`;
  const keep = () => {
    const kept = Object.fromEntries(all(".card").filter(marked)
      .map((card) => [`${card.dataset.sha256} ${card.dataset.label}`, [marked(card).value, named(card)]]));
    try { localStorage.setItem(shelf, JSON.stringify(kept)); return true; } catch { return false; }
  };
  const kept = () => {
    try { return JSON.parse(localStorage.getItem(shelf)) ?? {}; } catch { return {}; }
  };
  const count = () => {
    const ticked = all(".card").filter(chosen).length;
    document.getElementById("ticked").textContent = String(ticked);
    save.disabled = ticked === 0;
  };
  const before = kept();
  all(".card").forEach((card) => {
    const undo = card.querySelector(".undo"), to = card.querySelector(".to");
    const show = () => {
      const given = marked(card);
      card.classList.toggle("ticked", Boolean(chosen(card)));
      to.setAttribute("aria-invalid", String(Boolean(given) && given.value === "relabel" && !named(card)));
      undo.hidden = !given;
    };
    const changed = () => {
      show();
      unsaved = !keep();
      count();
    };
    const [verdict, name] = before[`${card.dataset.sha256} ${card.dataset.label}`] ?? [];
    const tick = all("input[type=radio]", card).find((input) => input.value === verdict);
    if (tick) {
      tick.checked = true;
      if (typeof name === "string") to.value = name;
      show();
    }
    card.addEventListener("change", changed);
    to.addEventListener("input", () => { card.querySelector("[value=relabel]").checked = true; changed(); });
    undo.addEventListener("click", () => { marked(card).checked = false; changed(); });
  });
  save.addEventListener("click", () => {
    const verdicts = all(".card").filter(chosen).map((card) => {
      const { sha256, label, said, file } = card.dataset, verdict = chosen(card).value;
      const made = { sha256, label, said, file, verdict };
      return verdict === "relabel" ? { ...made, to: named(card) } : made;
    });
    const { run, side, snapshot } = document.body.dataset;
    const content = JSON.stringify({ format: "burin-verdicts", version: 1, run, side, snapshot, verdicts }, null, 1);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
    link.download = "burin-verdicts.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    unsaved = false;
  });
  count();
  addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
})();
