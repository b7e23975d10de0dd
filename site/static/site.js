// The search, the place on a page when the language changes, and the lab's picture. All from this site alone.
(function () {
  "use strict";

  // A section has the same anchor in both languages.
  const twin = document.querySelector("a.twin");
  const follow = () => { if (twin) twin.hash = location.hash; };
  addEventListener("hashchange", follow);
  follow();
  if (twin) twin.addEventListener("click", () => { try { localStorage.setItem("language", twin.lang); } catch { /* not kept */ } });

  // An address that leads into a fold opens it.
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  // What scrolls by itself must be reachable by keyboard.
  const scrolling = () => {
    for (const part of document.querySelectorAll("pre, .table-wrapper, div.output.text_html, div.math")) {
      if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
    }
  };
  for (const event of ["load", "resize"]) addEventListener(event, scrolling);
  document.addEventListener("toggle", scrolling, true);

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
