"use strict";
(() => {
  const root = document.documentElement;
  const themes = ["", "light", "dark"];
  const words = { "": "as the system", light: "light", dark: "dark" };

  const remembered = () => {
    try { return localStorage.getItem("hopscope-theme") || ""; } catch { return ""; }
  };
  const remember = (theme) => {
    try { localStorage.setItem("hopscope-theme", theme); } catch { /* not kept, then */ }
  };
  const wear = (theme) => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    button.textContent = `Colours: ${words[theme]}`;
  };

  const button = document.getElementById("theme");
  let theme = themes.includes(remembered()) ? remembered() : "";
  wear(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    wear(theme);
    remember(theme);
  });

  const folds = [...document.querySelectorAll("details")];
  const unfold = document.getElementById("unfold");
  let before = null; // which were open, while all are
  const openAll = () => {
    before = before ?? folds.map((fold) => fold.open);
    for (const fold of folds) fold.open = true;
  };
  const putBack = () => {
    if (before) folds.forEach((fold, index) => { fold.open = before[index]; });
    before = null;
  };
  const told = () => {
    unfold.setAttribute("aria-pressed", String(before !== null));
    unfold.textContent = before === null ? "Open all details" : "Close them again";
  };
  unfold.hidden = folds.length === 0;
  unfold.addEventListener("click", () => { if (before === null) openAll(); else putBack(); told(); });
  let printing = false;
  addEventListener("beforeprint", () => { if (before === null) { printing = true; openAll(); } });
  addEventListener("afterprint", () => { if (printing) { printing = false; putBack(); } });

  // A link to something inside a closed detail opens it.
  const reveal = () => {
    const goal = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let one = goal; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();

  for (const block of document.querySelectorAll(".code-block")) {
    const copy = document.createElement("button");
    copy.type = "button";
    copy.className = "copy";
    copy.textContent = "Copy";
    copy.addEventListener("click", async () => {
      const code = block.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        copy.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        copy.textContent = "Selected";
      }
      setTimeout(() => { copy.textContent = "Copy"; }, 2000);
    });
    block.prepend(copy);
  }
})();
