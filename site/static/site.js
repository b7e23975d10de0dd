// The search, the place on a page when the language changes, and the lab's picture. All from this site alone.
(function () {
  "use strict";

  // A section has the same anchor in both languages: the switch leads to the one that is being read.
  const twins = document.querySelectorAll("a.twin");
  const headings = [...document.querySelectorAll("article :is(h2, h3, h4)[id]")];
  const inSight = (part) => part && part.getBoundingClientRect().bottom > 0 && part.getBoundingClientRect().top < innerHeight;
  const here = () => {
    if (inSight(location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1))))) return location.hash;
    const above = headings.filter((heading) => heading.offsetParent && heading.getBoundingClientRect().top < innerHeight / 3);
    return scrollY && above.length ? above.at(-1).id : "";
  };
  const follow = () => { for (const twin of twins) twin.hash = here(); };
  for (const event of ["hashchange", "scrollend", "load"]) addEventListener(event, follow);
  for (const twin of twins) {
    twin.addEventListener("click", () => {
      follow();
      try { localStorage.setItem("language", twin.lang); } catch { /* not kept */ }
    });
  }

  // The drawers of a phone are checkboxes: once a place is chosen they close, so that it is seen, and stay so for who comes back.
  const shut = () => { for (const drawer of document.querySelectorAll(".sidebar-toggle")) drawer.checked = false; };
  for (const drawer of document.querySelectorAll(".sidebar-drawer, .toc-drawer")) {
    drawer.addEventListener("click", (event) => { if (event.target.closest("a")) shut(); });
    drawer.addEventListener("submit", shut);
  }

  // An address that leads into a fold opens it.
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  // A formula that is a little too wide becomes smaller, down to two thirds: the end of an equation is half of what it says.
  const SMALLEST = 0.67;
  const fit = (formula) => {
    formula.style.removeProperty("font-size");
    const size = parseFloat(getComputedStyle(formula).fontSize), room = formula.clientWidth / formula.scrollWidth;
    if (room < 1) formula.style.setProperty("font-size", `${size * Math.max(SMALLEST, room * 0.99)}px`, "important");
  };

  // What scrolls by itself must be reachable by keyboard, and fades where it goes on.
  const WIDE = "article pre, .table-wrapper, div.output.text_html, mjx-container[display]";
  const fade = (part) => part.classList.toggle("more", part.scrollLeft + part.clientWidth < part.scrollWidth - 1);
  const scrolling = () => {
    for (const part of document.querySelectorAll(WIDE)) {
      if (!part.clientWidth) continue; // in a fold
      if (part.localName === "mjx-container") fit(part);
      if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
      fade(part);
    }
  };
  for (const event of ["load", "resize", "typeset"]) addEventListener(event, scrolling);
  document.addEventListener("toggle", scrolling, true);
  document.addEventListener("scroll", (event) => { if (event.target !== document && event.target.matches(WIDE)) fade(event.target); }, true);

  // The lab moves until it is stopped; where a reader has asked for no motion, it begins with a button.
  for (const figure of document.querySelectorAll(".moving")) {
    const image = figure.querySelector("img"), button = figure.querySelector("button");
    const still = image.getAttribute("src"), film = image.dataset.film;
    const show = (moves) => {
      image.src = moves ? film : still;
      button.setAttribute("aria-pressed", String(moves));
      button.textContent = moves ? button.dataset.stop : button.dataset.play;
    };
    button.hidden = false;
    button.addEventListener("click", () => show(image.getAttribute("src") === still));
    show(!matchMedia("(prefers-reduced-motion: reduce)").matches);
  }

  const search = document.getElementById("search");
  if (search) {
    addEventListener("load", () => {
      const zh = document.documentElement.lang.startsWith("zh");
      const ui = new window.PagefindUI({
        element: "#search", showSubResults: true, showImages: false, pageSize: 10, autofocus: true,
        excerptLength: zh ? 36 : 24, // words, and a Chinese word is two characters
        processTerm: (term) => { // stays in the address, for who comes back from a result
          history.replaceState(null, "", `?q=${encodeURIComponent(term)}`);
          return term;
        },
      });
      const asked = new URLSearchParams(location.search).get("q");
      const field = search.querySelector("input");
      field.setAttribute("aria-label", zh ? "搜索全书" : "Search the book");
      if (asked) ui.triggerSearch(asked);
    });
  }
})();
