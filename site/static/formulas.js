// MathJax, kept beside the pages; Sphinx calls this only where a page has formulas. A screen reader is given MathML.
let moved = false;
for (const event of ["wheel", "touchstart", "keydown"]) addEventListener(event, () => { moved = true; }, { once: true, passive: true });
window.MathJax = {
  startup: {
    pageReady: () => MathJax.startup.defaultPageReady().then(() => {
      dispatchEvent(new Event("typeset")); // site.js sees which are too wide
      // Formulas above a section have moved it.
      const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (target && !moved) target.scrollIntoView();
    }),
  },
  chtml: { fontURL: "../mathjax/woff-v2" },
  options: { ignoreHtmlClass: "page", processHtmlClass: "math" },
};
document.head.append(Object.assign(document.createElement("script"), { src: "../mathjax/tex-chtml.js" }));
